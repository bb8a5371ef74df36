"""What the conformance tests share. An adapter joins the suite by one more entry in `ADAPTERS`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import pytest

from levain_broker.memory import MemoryBroker
from levain_broker.memory_server import MemoryServer
from levain_broker.ports import Broker, Delivery
from levain_contracts.topics import WorkQueue

TASKS, RESULTS, DEAD = WorkQueue.TASKS, WorkQueue.RESULTS, WorkQueue.DEAD_TASKS
# Each adapter under test is set to these bounds.
QUEUE_MESSAGES = 200
EVENT_BUFFER = 100
WAIT_SECONDS = 10.0


class Harness(Protocol):
    """One empty broker, and as many clients of it as a test wants."""

    async def client(self) -> Broker: ...

    async def break_link(self, client: Broker) -> None:
        """Cuts this client's connection and keeps it cut."""

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


Adapter = Callable[[], AbstractAsyncContextManager[Harness]]
ADAPTERS: list[Adapter] = [memory]
on_each_adapter = pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.__name__)


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
