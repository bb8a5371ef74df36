"""The broker that a process is told to use."""

from typing import Protocol

from levain_broker.memory import MemoryBroker
from levain_broker.ports import Broker


class BrokerSettings(Protocol):
    """What the settings of each role hold of it."""

    @property
    def broker_url(self) -> str | None: ...

    @property
    def broker_heartbeat_seconds(self) -> float: ...

    @property
    def broker_watchdog_seconds(self) -> float: ...


def broker_of(settings: BrokerSettings, *, name: str) -> Broker:
    """In memory without a URL. It connects by itself, and being away is its normal state until then."""
    if settings.broker_url is None:
        return MemoryBroker()
    from levain_broker.rabbit import RabbitBroker

    return RabbitBroker(
        settings.broker_url,
        name=name,
        heartbeat_seconds=settings.broker_heartbeat_seconds,
        watchdog_seconds=settings.broker_watchdog_seconds,
    )
