"""The broker port on RabbitMQ 3.10 to 4.x. Publishing, consuming and watching have a connection each, so that none holds up another."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelNotFoundEntity

from levain_broker.errors import BrokerUnavailable
from levain_broker.ports import PUBLISH_TIMEOUT_SECONDS, OnDelivery, OnEvent, OnSession, QueueState, SessionState
from levain_broker.rabbit_consumer import Consumer
from levain_broker.rabbit_driver import asking, quieten_driver
from levain_broker.rabbit_events import Watcher
from levain_broker.rabbit_link import Link, Options
from levain_broker.rabbit_publisher import Publisher
from levain_broker.rabbit_session import Session
from levain_contracts.topics import WorkQueue

MAX_QUEUE_MESSAGES = 10_000
MAX_QUEUE_BYTES = 1024 * 1024 * 1024  # 256 of the largest batches
MAX_BUFFERED_EVENTS = 10_000


class RabbitBroker:
    """It connects by itself, in the loop that first uses it, and again whenever it must; being away is no error of its own.

    `name` is in the names of its connections and live queues. `heartbeat_seconds` is AMQP's; every `watchdog_seconds` each session
    is asked whether it lives, with 2 s to answer. The bounds of the queues must be the same in all processes.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "levain",
        heartbeat_seconds: float = 5.0,
        watchdog_seconds: float = 5.0,
        max_queue_messages: int = MAX_QUEUE_MESSAGES,
        max_queue_bytes: int = MAX_QUEUE_BYTES,
        max_buffered_events: int = MAX_BUFFERED_EVENTS,
    ) -> None:
        quieten_driver()
        self._options = Options(url, name, heartbeat_seconds, watchdog_seconds, max_queue_messages, max_queue_bytes, max_buffered_events)
        self._links: list[Link] = []
        self._working: dict[Session, asyncio.Task[None]] = {}
        self._renewed: Counter[str] = Counter()  # of sessions that have ended
        self._publisher: Publisher | None = None
        self._consuming: Link | None = None
        self._closed = False

    async def publish_event(self, routing_key: str, body: bytes) -> None:
        await self._publishing().publish_event(routing_key, body)

    async def send(self, queue: WorkQueue, body: bytes) -> None:
        await self._publishing().send(queue, body)

    @asynccontextmanager
    async def watch_events(self, on_event: OnEvent, on_session: OnSession) -> AsyncIterator[None]:
        link = self._link("events")
        options = self._options
        watcher = Watcher(link, options.name, on_event, on_session, options.max_buffered_events, options.watchdog_seconds)
        self._start(watcher)
        try:
            yield
        finally:
            await self._end(watcher)
            await link.close()
            self._links.remove(link)

    @asynccontextmanager
    async def consume(self, queue: WorkQueue, on_delivery: OnDelivery, *, prefetch: int) -> AsyncIterator[None]:
        self._consuming = self._consuming or self._link("work")
        consumer = Consumer(self._consuming, queue, on_delivery, prefetch, self._options.watchdog_seconds)
        self._start(consumer)
        try:
            yield
        finally:
            await consumer.stop_taking()
            await self._end(consumer)
            await consumer.ended()

    async def depth(self, queue: WorkQueue) -> int:
        return (await self.queue_state(queue)).waiting

    async def queue_state(self, queue: WorkQueue) -> QueueState:
        self._refuse_if_closed()
        self._consuming = self._consuming or self._link("work")
        try:
            async with asking(PUBLISH_TIMEOUT_SECONDS), self._consuming.channel(declare=False) as channel:
                return await _state(channel, queue)
        except BrokerUnavailable as error:
            raise BrokerUnavailable(f"the broker does not say how full {queue} is: {error}") from error

    def problem(self) -> str | None:
        if self._closed:
            return "the broker's client is closed"
        if not self._working:
            return "not connected yet"
        return next((session.problem for session in self._working if session.problem is not None), None)

    def session_states(self) -> list[SessionState]:
        renewed, up = Counter(self._renewed), dict[str, bool]()
        for session in tuple(self._working):
            renewed[session.what] += max(session.sessions - 1, 0)
            up[session.what] = up.get(session.what, True) and session.problem is None
        return [SessionState(what, up.get(what, False), count) for what, count in sorted(renewed.items())]

    @property
    def sessions(self) -> int:
        """How many were set up: more than one each means that links were lost."""
        return sum(session.sessions for session in self._working)

    async def close(self) -> None:
        self._closed = True
        await asyncio.gather(*map(self._end, list(self._working)))
        await asyncio.gather(*(link.close() for link in self._links))

    def _publishing(self) -> Publisher:
        self._refuse_if_closed()
        if self._publisher is None:
            self._publisher = Publisher(self._link("publish"), self._options.watchdog_seconds)
            self._working[self._publisher] = asyncio.create_task(self._publisher.run())
        return self._publisher

    def _start(self, session: Session) -> None:
        self._publishing()  # readiness speaks of both ways
        self._working[session] = asyncio.create_task(session.run())

    async def _end(self, session: Session) -> None:
        working = self._working.pop(session, None)
        if working is not None:
            self._renewed[session.what] += max(session.sessions - 1, 0)
            working.cancel()
            await asyncio.wait({working})

    def _link(self, purpose: str) -> Link:
        self._refuse_if_closed()
        link = Link(self._options, purpose)
        self._links.append(link)
        return link

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise BrokerUnavailable("the broker's client is closed")


async def _state(channel: AbstractChannel, queue: WorkQueue) -> QueueState:
    try:
        declared = (await channel.declare_queue(queue.value, passive=True)).declaration_result
    except ChannelNotFoundEntity:
        return QueueState(0, 0)
    return QueueState(declared.message_count or 0, declared.consumer_count or 0)
