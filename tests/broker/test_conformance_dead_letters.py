"""What a task that is never acknowledged comes to, on each adapter: each way to lose it counts as a delivery."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.broker.harness import DEAD, RESULTS, TASKS, WAIT_SECONDS, Adapter, Hands, Harness, on_each_adapter, run, until

from levain_broker.ports import Broker, Delivery
from levain_contracts.topics import DELIVERY_LIMIT, WorkQueue


async def until_dead(broker: Broker) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not await broker.depth(DEAD):
            await asyncio.sleep(0.002)


async def by_giving_it_back(h: Harness, client: Broker, hands: Hands) -> None:
    async def give_back(delivery: Delivery) -> None:
        await hands.take(delivery)
        await delivery.give_back()

    async with client.consume(TASKS, give_back, prefetch=1):
        await until_dead(client)


async def by_raising(h: Harness, client: Broker, hands: Hands) -> None:
    async def fail(delivery: Delivery) -> None:
        await hands.take(delivery)
        raise RuntimeError("killed its worker")

    async with client.consume(TASKS, fail, prefetch=1):
        await until_dead(client)


async def by_leaving(h: Harness, client: Broker, hands: Hands) -> None:
    for n in range(1, DELIVERY_LIMIT + 2):
        async with client.consume(TASKS, hands.take, prefetch=1):
            await until(lambda n=n: len(hands.deliveries) == n)  # type: ignore[misc]
        await h.quiet()


async def by_losing_the_link(h: Harness, client: Broker, hands: Hands) -> None:
    async with client.consume(TASKS, hands.take, prefetch=1):
        for n in range(1, DELIVERY_LIMIT + 2):
            await until(lambda n=n: len(hands.deliveries) == n)  # type: ignore[misc]
            await h.break_link(client)
            await h.mend(client)
    await h.quiet()


Loss = Callable[[Harness, Broker, Hands], Awaitable[None]]
LOSSES: list[Loss] = [by_giving_it_back, by_raising, by_leaving, by_losing_the_link]


@on_each_adapter
@pytest.mark.parametrize("lose", LOSSES, ids=lambda f: f.__name__)
def test_a_task_is_dead_lettered_after_its_last_delivery(adapter: Adapter, lose: Loss) -> None:
    async def scenario(h: Harness) -> None:
        broker, hands, dead = await h.client(), Hands(), Hands()
        await broker.send(TASKS, b"killer")
        await lose(h, broker, hands)
        assert hands.bodies == [b"killer"] * (DELIVERY_LIMIT + 1)
        assert await broker.depth(TASKS) == 0
        async with broker.consume(DEAD, dead.take, prefetch=1):
            assert (await dead.next()).body == b"killer"

    run(adapter, scenario)


@on_each_adapter
@pytest.mark.parametrize("queue", [RESULTS, DEAD], ids=str)
def test_results_and_dead_tasks_come_back_without_a_limit(adapter: Adapter, queue: WorkQueue) -> None:
    async def scenario(h: Harness) -> None:
        broker, hands = await h.client(), Hands()
        await broker.send(queue, b"1")
        async with broker.consume(queue, hands.take, prefetch=1):
            for _ in range(5 * (DELIVERY_LIMIT + 1)):
                await (await hands.next()).give_back()
            await hands.next()
        await h.quiet()
        assert await broker.depth(queue) == 1

    run(adapter, scenario)
