"""Events and work on their way out: each with a confirm, each within a time limit."""

import asyncio

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange
from aio_pika.exceptions import DeliveryError, PublishError

from levain_broker.errors import BrokerUnavailable, QueueFull
from levain_broker.ports import PUBLISH_TIMEOUT_SECONDS
from levain_broker.rabbit_driver import ANSWER_SECONDS, asking
from levain_broker.rabbit_link import Link
from levain_broker.rabbit_session import Session, Stopped
from levain_contracts.topics import EVENTS_EXCHANGE, WORK_EXCHANGE, WorkQueue

_PROBE_KEY = "probe"  # no queue is bound to it
_PROBE_SECONDS = ANSWER_SECONDS * 0.75
_BLOCKED = "the broker has stopped all who publish (a memory or disk alarm)"


class Publisher(Session):
    """While it is known that nothing can be published, it says so at once; a break of less than the limit is waited for."""

    def __init__(self, link: Link, watchdog_seconds: float) -> None:
        super().__init__(link, "publishing", watchdog_seconds)
        self._exchanges: dict[str, AbstractExchange] = {}
        self._up = asyncio.Event()
        self._down_since = asyncio.get_running_loop().time()

    def options(self) -> dict[str, bool]:
        return {"publisher_confirms": True, "on_return_raises": True}

    async def begin(self, channel: AbstractChannel) -> None:
        for name in (EVENTS_EXCHANGE, WORK_EXCHANGE):
            self._exchanges[name] = await channel.get_exchange(name, ensure=False)

    async def check(self, channel: AbstractChannel) -> None:
        """A message for nobody: under an alarm, or on a dead link, it gets no confirm."""
        if await _blocked(channel):
            raise Stopped(_BLOCKED)
        try:
            async with asking(_PROBE_SECONDS):
                await self._exchanges[WORK_EXCHANGE].publish(aio_pika.Message(b""), _PROBE_KEY, mandatory=False)
        except BrokerUnavailable:
            if await _blocked(channel):
                raise Stopped(_BLOCKED) from None
            raise
        self._up.set()

    def lost(self) -> None:
        self._exchanges.clear()
        self._went_down()

    async def publish_event(self, routing_key: str, body: bytes) -> None:
        await self._publish(EVENTS_EXCHANGE, routing_key, aio_pika.Message(body), mandatory=False)

    async def send(self, queue: WorkQueue, body: bytes) -> None:
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await self._publish(WORK_EXCHANGE, queue.value, message, mandatory=True)

    async def _publish(self, exchange: str, routing_key: str, message: aio_pika.Message, *, mandatory: bool) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PUBLISH_TIMEOUT_SECONDS
        if not self._up.is_set():
            await self._back(min(deadline, self._down_since + PUBLISH_TIMEOUT_SECONDS))
        try:
            async with asking(deadline - loop.time()):
                await self._confirmed(exchange, routing_key, message, mandatory)
        except BrokerUnavailable as error:
            self._went_down()
            self.doubt(str(error))
            raise BrokerUnavailable(f"publishing failed: {error}") from error

    async def _confirmed(self, exchange: str, routing_key: str, message: aio_pika.Message, mandatory: bool) -> None:
        if (opened := self._exchanges.get(exchange)) is None:
            raise BrokerUnavailable("the connection is gone")
        try:
            await opened.publish(message, routing_key, mandatory=mandatory)
        except PublishError:
            missing = f"the queue {routing_key} is not there"
            self.queue_gone(missing)
            raise BrokerUnavailable(missing) from None
        except DeliveryError:
            raise QueueFull(f"{routing_key} is full; send it again later") from None

    async def _back(self, until: float) -> None:
        try:
            async with asyncio.timeout_at(until):
                await self._up.wait()
        except TimeoutError:
            raise BrokerUnavailable(self.problem or "publishing: not connected") from None

    def _went_down(self) -> None:
        if self._up.is_set():
            self._up.clear()
            self._down_since = asyncio.get_running_loop().time()


async def _blocked(channel: AbstractChannel) -> bool:
    """Whether the broker has said so: RabbitMQ's `connection.blocked`."""
    ready = asyncio.ensure_future((await channel.get_underlay_channel()).connection.ready())
    await asyncio.sleep(0)
    return not ready.done() and ready.cancel()
