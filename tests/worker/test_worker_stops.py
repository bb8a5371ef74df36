"""A polite stop loses nothing, counts as no failure of a product, and keeps its time."""

import asyncio
import time
from functools import partial

from tests.worker.workplace import Desk, FlakyBroker, children, pool_of, run, task, until, working

from levain_broker.memory import MemoryBroker
from levain_broker.ports import Delivery
from levain_contracts.tasks import TrainingTask, decode_task, encode
from levain_contracts.topics import WorkQueue
from levain_training.worker import Worker, WorkerSettings

ONE_SLOT = WorkerSettings(slots=1)


async def waiting_tasks(broker: MemoryBroker) -> list[tuple[TrainingTask, bool]]:
    """All tasks in the queue, and whether they were handed over before. They are taken out of it."""
    found: list[tuple[TrainingTask, bool]] = []

    async def take(delivery: Delivery) -> None:
        found.append((decode_task(delivery.body), delivery.redelivered))
        await delivery.ack()

    async with broker.consume(WorkQueue.TASKS, take, prefetch=10):
        await asyncio.sleep(0.05)
    return found


def test_a_stop_finishes_the_product_at_work_and_sends_the_rest_as_a_new_task() -> None:
    async def scenario() -> None:
        broker, desk = MemoryBroker(), Desk()
        async with pool_of(1) as pool, broker.consume(WorkQueue.RESULTS, desk.take, prefetch=10):
            async with working(broker, pool, ONE_SLOT) as worker:
                await broker.send(WorkQueue.TASKS, encode(task("slow", [f"p{i} 0.4s" for i in range(5)], batch=7)))
                await broker.send(WorkQueue.TASKS, encode(task("slow", ["innocent"], batch=8)))
                await until(lambda: len(desk.results) == 1)
                await worker.stop(8)
            await until(lambda: len(desk.results) == 2)
            (innocent, handed_over), (rest, _) = await waiting_tasks(broker)
        assert (rest.batch, rest.alone, [s.product for s in rest.series]) == (7, False, ["p2 0.4s", "p3 0.4s", "p4 0.4s"])
        assert innocent.batch == 8
        assert not handed_over, "a task that was never begun counts no delivery"

    run(scenario)


def test_five_polite_stops_in_the_middle_of_a_batch_lose_nothing_and_blame_no_product() -> None:
    async def scenario() -> None:
        broker, desk = MemoryBroker(), Desk()
        products = [f"p{i} 0.15s" for i in range(12)]
        async with pool_of(1) as pool, broker.consume(WorkQueue.RESULTS, desk.take, prefetch=10):
            await broker.send(WorkQueue.TASKS, encode(task("slow", products)))
            await broker.send(WorkQueue.TASKS, encode(task("slow", ["other 0.1s"], batch=2)))
            for _ in range(5):
                async with working(broker, pool, ONE_SLOT) as worker:
                    least = len(desk.results) + 1
                    await until(partial(desk.has, least))
                    await worker.stop(8)
            async with working(broker, pool, ONE_SLOT):
                await until(lambda: len(desk.ends) == 13)
            assert await broker.depth(WorkQueue.DEAD_TASKS) == 0
        assert set(desk.ends.values()) == {"trained"}
        assert len(desk.results) == 13

    run(scenario)


def test_a_product_that_is_longer_than_the_grace_goes_back_with_the_rest() -> None:
    async def scenario() -> None:
        broker, desk = MemoryBroker(), Desk()
        async with pool_of(1) as pool, broker.consume(WorkQueue.RESULTS, desk.take, prefetch=10):
            async with working(broker, pool, ONE_SLOT) as worker:
                await broker.send(WorkQueue.TASKS, encode(task("slow", ["a 0.1s", "b 30s", "c"])))
                await until(lambda: len(desk.results) == 1)
                started = time.monotonic()
                await worker.stop(1)
                assert time.monotonic() - started < 5
            ((rest, _),) = await waiting_tasks(broker)
        assert [s.product for s in rest.series] == ["b 30s", "c"]

    run(scenario)


def test_a_stop_while_the_broker_is_away_gives_the_task_back_and_keeps_its_time() -> None:
    async def scenario() -> None:
        broker, desk = FlakyBroker(), Desk()
        async with pool_of(1) as pool:
            async with working(broker, pool, ONE_SLOT) as worker:
                await broker.send(WorkQueue.TASKS, encode(task("slow", ["a 0.1s", "b 0.1s", "c 30s"])))
                broker.refusing = frozenset({WorkQueue.RESULTS, WorkQueue.TASKS})
                await until(lambda: broker.refused >= 1)
                started = time.monotonic()
                await worker.stop(1)
                assert time.monotonic() - started < 5
            ((rest, handed_over),) = await waiting_tasks(broker)
        assert len(rest.series) == 3
        assert handed_over
        assert desk.results == []

    run(scenario)


def test_an_idle_worker_stops_at_once_and_one_that_never_ran_too() -> None:
    async def scenario() -> None:
        async with pool_of(1) as pool:
            await Worker(MemoryBroker(), pool).stop()
            async with working(MemoryBroker(), pool) as worker:
                await asyncio.sleep(0.05)
                await asyncio.wait_for(worker.stop(30), 5)

    run(scenario)


def test_a_cancelled_worker_leaves_no_child_and_its_task_comes_again() -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        async with pool_of(1) as pool:
            running = asyncio.create_task(Worker(broker, pool, ONE_SLOT).run())
            await broker.send(WorkQueue.TASKS, encode(task("slow", ["a 30s"])))
            await until(lambda: len(children()) == 1)
            running.cancel()
            await asyncio.wait({running})
            await until(lambda: not children())
            assert await broker.depth(WorkQueue.TASKS) == 1

    run(scenario)
