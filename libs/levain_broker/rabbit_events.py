"""The live queue: exclusive, without acknowledgements, and a new one for each session."""

import logging
import secrets

import aio_pika
from aio_pika.abc import AbstractChannel
from aiormq.abc import DeliveredMessage

from levain_broker.ports import OnEvent, OnSession
from levain_broker.rabbit_link import Link
from levain_broker.rabbit_session import Session
from levain_contracts.topics import EVENTS_BINDING, EVENTS_EXCHANGE

log = logging.getLogger(__name__)


class Watcher(Session):
    """A fixed name, or one that is declared again, races with the dead connection that still holds it."""

    def __init__(self, link: Link, name: str, on_event: OnEvent, on_session: OnSession, max_events: int, watchdog_seconds: float) -> None:
        super().__init__(link, "watching events", watchdog_seconds)
        self._name, self._on_event, self._on_session, self._max_events = name, on_event, on_session, max_events

    async def begin(self, channel: AbstractChannel) -> None:
        exchange = await channel.declare_exchange(EVENTS_EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(
            f"training.events.{self._name}-{secrets.token_hex(6)}",
            exclusive=True,
            auto_delete=True,
            arguments={"x-max-length": self._max_events, "x-overflow": "drop-head"},
        )
        await queue.bind(exchange, EVENTS_BINDING)
        # From here on nothing is missed; and no event may come before it.
        self._hand_over(self._on_session)
        await (await channel.get_underlay_channel()).basic_consume(queue.name, self._take, no_ack=True)

    async def check(self, channel: AbstractChannel) -> None:
        await (await channel.get_underlay_channel()).basic_qos(prefetch_count=0)

    def queue_gone(self, why: str) -> None:
        """The next one has another name: nobody can take it for this one, and events are missed until it is there."""
        self.end(why)

    async def _take(self, message: DeliveredMessage) -> None:
        self._hand_over(self._on_event, message.routing_key or "", message.body)

    def _hand_over(self, callback: "OnEvent | OnSession", *given: str | bytes) -> None:
        try:
            callback(*given)  # type: ignore[arg-type]
        except Exception:
            log.exception("a watcher of events failed; it goes on with the next event")
