"""What the tests of a real RabbitMQ share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from levain_broker.rabbit import RabbitBroker
from levain_contracts.topics import WorkQueue


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(50):
            await scenario()

    asyncio.run(main())


@asynccontextmanager
async def client(
    url: str, name: str = "test", *, heartbeat_seconds: float = 5.0, watchdog_seconds: float = 0.5
) -> AsyncIterator[RabbitBroker]:
    broker = RabbitBroker(url, name=name, heartbeat_seconds=heartbeat_seconds, watchdog_seconds=watchdog_seconds)
    try:
        yield broker
    finally:
        await broker.close()


async def depth(broker: RabbitBroker, queue: WorkQueue) -> int:
    await asyncio.sleep(0.1)  # a confirm comes before the queue's count
    return await broker.depth(queue)
