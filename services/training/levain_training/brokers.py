"""The broker that a process is told to use."""

from levain_broker.memory import MemoryBroker
from levain_broker.ports import Broker


def broker_of(url: str | None, *, name: str, heartbeat_seconds: float, watchdog_seconds: float) -> Broker:
    """In memory without a URL. It connects by itself, and being away is its normal state until then."""
    if url is None:
        return MemoryBroker()
    from levain_broker.rabbit import RabbitBroker

    return RabbitBroker(url, name=name, heartbeat_seconds=heartbeat_seconds, watchdog_seconds=watchdog_seconds)
