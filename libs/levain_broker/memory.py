"""The broker port within one process: `levain demo`, `levain up` and the tests. Publisher -> here -> consumer, on one loop.

It can also fail on demand, as a lost connection does, so that the layers above are tested on it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import copy_context

from levain_broker.errors import BrokerUnavailable
from levain_broker.memory_server import MemoryServer, Message, Queue
from levain_broker.ports import OnDelivery, OnEvent, OnSession, QueueState, SessionState
from levain_contracts.topics import WorkQueue

MAX_BUFFERED_EVENTS = 10_000
# A message whose consumer raises comes back at once, and results have no delivery limit: without a pause one could take a whole core.
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0
_CANCEL_SECONDS = 5.0

log = logging.getLogger(__name__)


class MemoryBroker:
    """One client of a `MemoryServer`; without one it makes its own. Clients of one server see each other's messages.

    Leaving `consume`, `close` and `break_link` cancel the callbacks that still run, as a lost connection does.
    `max_buffered_events` is each watcher's; `events_dropped` counts what overflowed.
    """

    def __init__(self, server: MemoryServer | None = None, *, max_buffered_events: int = MAX_BUFFERED_EVENTS) -> None:
        self._server = server or MemoryServer()
        self._max_buffered_events = max_buffered_events
        self._watchers: list[_Watcher] = []
        self._consumers: list[_Consumer] = []
        self._problem: str | None = None
        self._mended = 0
        self._closed = False
        self._events_to_drop = 0
        self.events_dropped = 0

    async def publish_event(self, routing_key: str, body: bytes) -> None:
        await self._turn()
        if self._events_to_drop:
            self._events_to_drop -= 1
            return
        for watcher in self._server.watchers:
            watcher.push(routing_key, body)

    @asynccontextmanager
    async def watch_events(self, on_event: OnEvent, on_session: OnSession) -> AsyncIterator[None]:
        self._refuse_if_closed()
        watcher = _Watcher(self, on_event, on_session, self._max_buffered_events)
        self._watchers.append(watcher)
        self._server.watchers.append(watcher)
        try:
            if self.up:
                watcher.renew()
                watcher.drain()
            yield
        finally:
            self._end_watcher(watcher)

    async def send(self, queue: WorkQueue, body: bytes) -> None:
        await self._turn()
        self._server.queues[queue].put(body)

    @asynccontextmanager
    async def consume(self, queue: WorkQueue, on_delivery: OnDelivery, *, prefetch: int) -> AsyncIterator[None]:
        self._refuse_if_closed()
        consumer = _Consumer(self, self._server.queues[queue], on_delivery, prefetch)
        self._consumers.append(consumer)
        try:
            consumer.queue.join(consumer)
            yield
        finally:
            await self._end_consumer(consumer)

    async def depth(self, queue: WorkQueue) -> int:
        return (await self.queue_state(queue)).waiting

    async def queue_state(self, queue: WorkQueue) -> QueueState:
        await self._turn()
        found = self._server.queues[queue]
        return QueueState(len(found), found.consumers)

    def problem(self) -> str | None:
        return self._problem

    def session_states(self) -> list[SessionState]:
        whats = {"publishing"} | {f"consuming {consumer.queue.name}" for consumer in tuple(self._consumers)}
        whats |= {"watching events"} if self._watchers else set()
        return [SessionState(what, self.up, self._mended) for what in sorted(whats)]

    async def close(self) -> None:
        self._closed, self._problem = True, "the broker's client is closed"
        for watcher in list(self._watchers):
            self._end_watcher(watcher)
        for consumer in list(self._consumers):
            await self._end_consumer(consumer)

    @property
    def up(self) -> bool:
        return self._problem is None

    def break_link(self) -> None:
        """As when the connection is lost: what is unsettled or buffered is lost to this client, until `mend`."""
        if self._closed:
            return
        self._problem = "the link to the broker is cut"
        for watcher in self._watchers:
            watcher.forget()
        for consumer in self._consumers:
            consumer.interrupt()

    def mend(self) -> None:
        if self._closed or self.up:
            return
        self._problem = None
        self._mended += 1
        for watcher in self._watchers:
            watcher.renew()
        for consumer in self._consumers:
            consumer.queue.hand_out()

    def drop_next_events(self, count: int) -> None:
        """The next `count` events that this client publishes get lost on their way, unnoticed."""
        self._events_to_drop = count

    async def _turn(self) -> None:
        """Lets the others run, as waiting for a confirm does: a loop of publishes must not starve its consumers."""
        await asyncio.sleep(0)
        if self._problem is not None:
            raise BrokerUnavailable(self._problem)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise BrokerUnavailable("the broker's client is closed")

    def _end_watcher(self, watcher: "_Watcher") -> None:
        watcher.forget()
        if watcher in self._watchers:
            self._watchers.remove(watcher)
            self._server.watchers.remove(watcher)

    async def _end_consumer(self, consumer: "_Consumer") -> None:
        if consumer in self._consumers:
            self._consumers.remove(consumer)
            consumer.queue.leave(consumer)
            consumer.interrupt()
        await consumer.ended()


class _Watcher:
    """A bounded buffer before two callbacks; overflow `drop-head`. A session is announced before the events that follow it."""

    def __init__(self, broker: MemoryBroker, on_event: OnEvent, on_session: OnSession, max_events: int) -> None:
        self._broker, self._on_event, self._on_session = broker, on_event, on_session
        self._buffer: deque[tuple[str, bytes]] = deque(maxlen=max_events)
        self._new_session = False
        self._draining = False
        self._context = copy_context()

    def push(self, routing_key: str, body: bytes) -> None:
        if not self._broker.up:
            return
        if len(self._buffer) == self._buffer.maxlen:
            self._broker.events_dropped += 1
        self._buffer.append((routing_key, body))
        self._drain_soon()

    def renew(self) -> None:
        self._new_session = True
        self._drain_soon()

    def forget(self) -> None:
        self._buffer.clear()
        self._new_session = False

    def drain(self) -> None:
        self._draining = False
        try:
            if self._new_session:
                self._new_session = False
                self._on_session()
            while self._buffer:
                self._on_event(*self._buffer.popleft())
        except Exception:
            log.exception("a watcher of events failed; it goes on with the next event")
            self._drain_soon()

    def _drain_soon(self) -> None:
        if not self._draining:
            self._draining = True
            asyncio.get_running_loop().call_soon(self.drain, context=self._context)


class _Consumer:
    def __init__(self, broker: MemoryBroker, queue: Queue, on_delivery: OnDelivery, prefetch: int) -> None:
        if prefetch < 1:
            raise ValueError(f"prefetch must be at least 1, not {prefetch}")
        self.queue = queue
        self.takes_more = True
        self._broker, self._on_delivery, self._prefetch = broker, on_delivery, prefetch
        self._unsettled: dict[int, Message] = {}
        self._callbacks: set[asyncio.Task[None]] = set()
        self._context = copy_context()  # as with a real broker: nothing of whoever sends reaches who takes, but the message

    @property
    def has_room(self) -> bool:
        return self.takes_more and self._broker.up and len(self._unsettled) < self._prefetch

    def take(self, message: Message) -> None:
        self._unsettled[message.number] = message
        callback = asyncio.get_running_loop().create_task(self._run(_Delivery(self, message)), context=self._context.copy())
        self._callbacks.add(callback)
        callback.add_done_callback(self._callbacks.discard)

    def settle(self, message: Message, number: int, *, back: bool) -> None:
        """Nothing for a delivery that is settled or whose session is over."""
        if self._unsettled.get(message.number) is message and message.deliveries == number:
            del self._unsettled[message.number]
            if back:
                self.queue.put_back(message)
            self.queue.hand_out()

    def interrupt(self) -> None:
        """Returns what is unsettled and cancels its callbacks."""
        unsettled, self._unsettled = self._unsettled, {}
        for callback in self._callbacks - {asyncio.current_task()}:
            callback.cancel()
        for message in unsettled.values():
            self.queue.put_back(message)

    async def ended(self) -> None:
        callbacks = self._callbacks - {asyncio.current_task()}
        if callbacks and (await asyncio.wait(callbacks, timeout=_CANCEL_SECONDS))[1]:
            log.error("a consumer's callback ignores its cancellation; it is left behind")

    async def _run(self, delivery: "_Delivery") -> None:
        try:
            await self._on_delivery(delivery)
        except asyncio.CancelledError:
            await delivery.give_back()
            raise
        except Exception:
            log.exception("a consumer failed; its message goes back after %.2f s", delivery.pause_seconds)
            await asyncio.sleep(delivery.pause_seconds)
            await delivery.give_back()


class _Delivery:
    def __init__(self, consumer: _Consumer, message: Message) -> None:
        self._consumer, self._message, self._number = consumer, message, message.deliveries

    @property
    def body(self) -> bytes:
        return self._message.body

    @property
    def redelivered(self) -> bool:
        return self._number > 1

    @property
    def pause_seconds(self) -> float:
        return float(min(_FIRST_PAUSE_SECONDS * 2 ** min(self._number - 1, 10), _LONGEST_PAUSE_SECONDS))

    async def ack(self, *, last: bool = False) -> None:
        if last:
            self._consumer.takes_more = False
        self._consumer.settle(self._message, self._number, back=False)

    async def give_back(self) -> None:
        self._consumer.settle(self._message, self._number, back=True)
