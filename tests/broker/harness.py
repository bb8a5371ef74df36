"""What the conformance tests share. An adapter joins the suite by one more entry in `ADAPTERS`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

import aio_pika
import pytest
from tests.e2e.cutting_proxy import CuttingProxy, proxying
from yarl import URL

from levain_broker.memory import MemoryBroker
from levain_broker.memory_server import MemoryServer
from levain_broker.ports import Broker, Delivery
from levain_broker.rabbit import RabbitBroker
from levain_contracts.topics import EVENTS_EXCHANGE, WORK_EXCHANGE, WorkQueue

TASKS, RESULTS, DEAD = WorkQueue.TASKS, WorkQueue.RESULTS, WorkQueue.DEAD_TASKS
# Each adapter under test is set to these bounds.
QUEUE_MESSAGES = 200
EVENT_BUFFER = 100
WAIT_SECONDS = 10.0


class Harness(Protocol):
    """One empty broker, and as many clients of it as a test wants."""

    async def client(self) -> Broker: ...

    async def break_link(self, client: Broker) -> None:
        """Cuts this client's connections and keeps them cut; it knows on return, and is handed nothing more."""

    async def mend(self, client: Broker) -> None: ...

    async def quiet(self) -> None:
        """Returns when nothing is on its way between the broker and its clients."""


class MemoryHarness:
    def __init__(self) -> None:
        self._server = MemoryServer(max_queue_messages=QUEUE_MESSAGES)

    async def client(self) -> MemoryBroker:
        return MemoryBroker(self._server, max_buffered_events=EVENT_BUFFER)

    async def break_link(self, client: Broker) -> None:
        assert isinstance(client, MemoryBroker)
        client.break_link()

    async def mend(self, client: Broker) -> None:
        assert isinstance(client, MemoryBroker)
        client.mend()

    async def quiet(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


@asynccontextmanager
async def memory() -> AsyncIterator[Harness]:
    yield MemoryHarness()


class RabbitHarness:
    """Each client behind a proxy of its own, so that its link can be cut."""

    def __init__(self, url: str, resources: AsyncExitStack) -> None:
        self._url, self._resources = URL(url), resources
        self._proxies: dict[Broker, CuttingProxy] = {}

    async def client(self) -> RabbitBroker:
        proxy = await self._resources.enter_async_context(proxying(self._url.port or 5672))
        client = RabbitBroker(
            str(self._url.with_port(proxy.port)),
            name="test",
            max_queue_messages=QUEUE_MESSAGES,
            max_queue_bytes=64 * 1024 * 1024,
            max_buffered_events=EVENT_BUFFER,
        )
        self._proxies[client] = proxy
        self._resources.push_async_callback(client.close)
        await client.publish_event("test", b"")  # connects
        return client

    async def break_link(self, client: Broker) -> None:
        self._proxies[client].refuse()
        await until(lambda: not any(session.up for session in client.session_states()))

    async def mend(self, client: Broker) -> None:
        await self._proxies[client].heal()
        while client.problem() is not None:
            await asyncio.sleep(0.01)

    async def quiet(self) -> None:
        await asyncio.sleep(0.1)


@asynccontextmanager
async def rabbit(url: str) -> AsyncIterator[Harness]:
    await empty(url)
    async with AsyncExitStack() as resources:
        yield RabbitHarness(url, resources)


async def empty(url: str) -> None:
    """No queue and no exchange of ours is left."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        for queue in WorkQueue:
            await channel.queue_delete(queue.value)
        for exchange in (EVENTS_EXCHANGE, WORK_EXCHANGE):
            await channel.exchange_delete(exchange)


Adapter = Callable[[], AbstractAsyncContextManager[Harness]]
ADAPTERS = ("memory", pytest.param("rabbit", marks=pytest.mark.servers))
on_each_adapter = pytest.mark.parametrize("adapter", ADAPTERS, indirect=True)


def run(adapter: Adapter, scenario: Callable[[Harness], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(50), adapter() as harness:
            await scenario(harness)

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.002)


class Watcher:
    def __init__(self) -> None:
        self.calls: list[str] = []  # "session", or a routing key and body

    def on_event(self, routing_key: str, body: bytes) -> None:
        self.calls.append(f"{routing_key} {body.decode()}")

    def on_session(self) -> None:
        self.calls.append("session")

    @property
    def events(self) -> list[str]:
        return [c for c in self.calls if c != "session"]

    def watching(self, broker: Broker) -> AbstractAsyncContextManager[None]:
        return broker.watch_events(self.on_event, self.on_session)


class Hands:
    """A consumer that keeps what it was handed, unsettled."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    async def take(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)

    @property
    def bodies(self) -> list[bytes]:
        return [d.body for d in self.deliveries]

    async def next(self) -> Delivery:
        await until(lambda: bool(self.deliveries))
        return self.deliveries.pop(0)
