"""Work from a queue: each message is handed over as a task, and settled once."""

import asyncio
import logging
from contextlib import suppress

from aio_pika.abc import AbstractChannel
from aiormq.abc import AbstractChannel as Underlay
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity

from levain_broker.errors import BrokerUnavailable
from levain_broker.ports import OnDelivery
from levain_broker.rabbit_driver import asking
from levain_broker.rabbit_link import Link
from levain_broker.rabbit_session import Session
from levain_contracts.topics import WorkQueue

# A message whose consumer raises comes back at once, and results have no delivery limit: without a pause one could take a whole core.
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0
_CANCEL_SECONDS = 5.0

# One check may come between a message's arrival and its delivery.
_PASSED_OVER_CHECKS = 2

log = logging.getLogger(__name__)


class Consumer(Session):
    def __init__(self, link: Link, queue: WorkQueue, on_delivery: OnDelivery, prefetch: int, watchdog_seconds: float) -> None:
        if prefetch < 1:
            raise ValueError(f"prefetch must be at least 1, not {prefetch}")
        super().__init__(link, f"consuming {queue}", watchdog_seconds)
        self._queue, self._on_delivery, self._prefetch = queue, on_delivery, prefetch
        self._takes_more = True
        self._channel: Underlay | None = None
        self._tag: str | None = None
        self._callbacks: set[asyncio.Task[None]] = set()
        self._in_hand: set[int] = set()  # delivery tags
        self._passed_over = 0  # checks in a row

    async def begin(self, channel: AbstractChannel) -> None:
        self._channel = underlay = await channel.get_underlay_channel()
        await underlay.basic_qos(prefetch_count=self._prefetch)
        if self._takes_more:
            self._tag = (await underlay.basic_consume(self._queue.value, self._take)).consumer_tag
        if not self._takes_more:
            await self.stop_taking()

    async def check(self, channel: AbstractChannel) -> None:
        """Where somebody else deletes the queue and declares it anew at once, RabbitMQ tells no consumer (see `GONE_SECONDS`)."""
        try:
            declared = await (await channel.get_underlay_channel()).queue_declare(self._queue.value, passive=True)
        except ChannelNotFoundEntity:
            self.queue_gone("its queue is gone")
            return
        passed_over = declared.message_count and self._tag is not None and len(self._in_hand) < self._prefetch
        self._passed_over = self._passed_over + 1 if passed_over else 0
        if self._passed_over >= _PASSED_OVER_CHECKS:
            self.end("messages wait, and the broker hands it none")

    def lost(self) -> None:
        self._channel = self._tag = None
        self._passed_over = 0
        self._in_hand.clear()
        for callback in self._callbacks - {asyncio.current_task()}:
            callback.cancel()

    async def stop_taking(self) -> None:
        """The broker hands out nothing more to it, in no later session either."""
        self._takes_more = False
        tag, self._tag = self._tag, None
        if self._channel is not None and tag is not None:
            with suppress(BrokerUnavailable):
                async with asking():
                    await self._channel.basic_cancel(tag)

    async def ended(self) -> None:
        callbacks = self._callbacks - {asyncio.current_task()}
        if callbacks and (await asyncio.wait(callbacks, timeout=_CANCEL_SECONDS))[1]:
            log.error("a consumer's callback ignores its cancellation; it is left behind")

    async def settle(self, message: DeliveredMessage, *, back: bool) -> None:
        """Nothing where the session of the message is over: the broker has it again."""
        if self._channel is not message.channel or message.delivery_tag is None:
            return
        self._in_hand.discard(message.delivery_tag)
        try:
            async with asking():
                if back:  # from RabbitMQ 4.3 on a `basic.nack` does not count as a delivery, and a killer task would come back for ever
                    await self._channel.basic_reject(message.delivery_tag, requeue=True)
                else:
                    await self._channel.basic_ack(message.delivery_tag)
        except BrokerUnavailable:
            log.debug("settled too late: it comes again", exc_info=True)

    async def _take(self, message: DeliveredMessage) -> None:
        self._passed_over = 0
        if not self._takes_more:  # it was on its way
            return await self.settle(message, back=True)
        if message.delivery_tag is not None:
            self._in_hand.add(message.delivery_tag)
        callback = asyncio.create_task(self._run(_Delivery(self, message)))
        self._callbacks.add(callback)
        callback.add_done_callback(self._callbacks.discard)
        return None

    async def _run(self, delivery: "_Delivery") -> None:
        try:
            await self._on_delivery(delivery)
        except Exception:
            log.exception("a consumer failed; its message goes back after %.2f s", delivery.pause_seconds)
            await asyncio.sleep(delivery.pause_seconds)
            await delivery.give_back()


class _Delivery:
    def __init__(self, consumer: Consumer, message: DeliveredMessage) -> None:
        self._consumer, self._message = consumer, message
        self._settled = False

    @property
    def body(self) -> bytes:
        return self._message.body

    @property
    def redelivered(self) -> bool:
        return bool(self._message.redelivered)

    @property
    def pause_seconds(self) -> float:
        headers = self._message.header.properties.headers or {}
        times = headers.get("x-delivery-count")
        return float(min(_FIRST_PAUSE_SECONDS * 2 ** min(times if isinstance(times, int) else 0, 10), _LONGEST_PAUSE_SECONDS))

    async def ack(self, *, last: bool = False) -> None:
        if last:
            await self._consumer.stop_taking()
        await self._settle(back=False)

    async def give_back(self) -> None:
        await self._settle(back=True)

    async def _settle(self, *, back: bool) -> None:
        if not self._settled:
            self._settled = True
            await self._consumer.settle(self._message, back=back)
