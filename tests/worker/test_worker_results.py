"""Whatever a trainer does to its process, each product of a batch gets exactly one result (`train` checks that) and the worker lives."""

import asyncio
import time

import pytest
from tests.worker.workplace import MIB, Desk, FlakyBroker, pool_of, run, task, train, until, working

from levain_broker.memory import MemoryBroker
from levain_contracts.tasks import encode
from levain_contracts.topics import WorkQueue
from levain_training.worker import Worker, WorkerSettings
from levain_training.worker_metrics import NullWorkerMetrics


class Counts(NullWorkerMetrics):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def task_taken(self) -> None:
        self.seen.append("taken")

    def task_unreadable(self) -> None:
        self.seen.append("unreadable")

    def product_ended(self, trainer: str, outcome: str, seconds: float) -> None:
        self.seen.append(f"{trainer} {outcome}")


def test_a_batch_of_good_products_is_trained() -> None:
    async def scenario() -> None:
        desk = await train("instant", ["brot", "croissant", "tarte"])
        assert desk.ends == {"brot": "trained", "croissant": "trained", "tarte": "trained"}

    run(scenario)


def test_a_failing_product_is_failed_with_its_reason_and_the_rest_is_trained() -> None:
    async def scenario() -> None:
        desk = await train("fails_some", ["brot", "bad tarte", "croissant"])
        assert desk.ends == {"brot": "trained", "bad-tarte": "refused", "croissant": "trained"}

    run(scenario)


def test_a_product_that_kills_its_process_is_failed_with_the_reason_and_the_rest_goes_on() -> None:
    async def scenario() -> None:
        desk = await train("kills", ["brot", "killer", "croissant", "killer 2"])
        assert desk.ends == {"brot": "trained", "killer": "worker_process_died", "croissant": "trained", "killer-2": "worker_process_died"}
        assert "SIGKILL" in desk.failure("killer").message
        assert "alone" in desk.failure("killer").message

    run(scenario)


def test_when_a_shop_dies_as_a_whole_each_product_is_tried_alone() -> None:
    async def scenario() -> None:
        desk = await train("kills_shop", ["brot", "killer", "croissant"])
        assert desk.ends == {"brot": "trained", "killer": "worker_process_died", "croissant": "trained"}

    run(scenario)


def test_a_product_that_was_sent_alone_gets_no_further_chance() -> None:
    async def scenario() -> None:
        desk = await train("kills", ["killer"], alone=True)
        assert "alone" not in desk.failure("killer").message

    run(scenario)


def test_a_hanging_product_hits_its_limit() -> None:
    async def scenario() -> None:
        desk = await train("hangs", ["brot", "hanger", "croissant"], settings=WorkerSettings(slots=1, product_seconds=4))
        assert desk.ends == {"brot": "trained", "hanger": "time_limit", "croissant": "trained"}
        assert "limit of 4 s" in desk.failure("hanger").message

    run(scenario)


def test_a_product_that_eats_memory_fails_alone() -> None:
    async def scenario() -> None:
        desk = await train("eats_memory", ["brot", "eater", "croissant"], memory_limit_bytes=256 * MIB)
        assert desk.ends == {"brot": "trained", "eater": "out_of_memory", "croissant": "trained"}

    run(scenario)


@pytest.mark.parametrize(
    ("model", "reason", "word"), [("crystal_ball", "unknown_model", "ets"), ("not_installed", "trainer_failed", "not installed")]
)
def test_products_of_a_model_that_is_not_there_fail_with_a_clear_message(model: str, reason: str, word: str) -> None:
    async def scenario() -> None:
        desk = await train(model, ["brot", "tarte"])
        assert desk.ends == {"brot": reason, "tarte": reason}
        assert word in desk.failure("brot").message

    run(scenario)


def test_slow_products_are_reported_one_by_one_and_fast_ones_in_chunks() -> None:
    async def scenario() -> None:
        slow = await train("slow", [f"brot {i} 0.15s" for i in range(4)])
        assert [len(c.results) for c in slow.chunks] == [1, 1, 1, 1]
        fast = await train("instant", [f"brot {i}" for i in range(200)])
        sizes = [len(c.results) for c in fast.chunks]
        assert len(sizes) < 40
        assert max(sizes) <= 64

    run(scenario)


def test_an_unreadable_task_is_counted_and_dropped_and_the_next_is_trained() -> None:
    async def scenario() -> None:
        broker, desk, counts = MemoryBroker(), Desk(), Counts()
        async with pool_of(1) as pool, broker.consume(WorkQueue.RESULTS, desk.take, prefetch=10):
            worker = Worker(broker, pool, WorkerSettings(slots=1), counts)
            running = asyncio.create_task(worker.run())
            good = encode(task("instant", ["brot"]))
            for body in (b"{", b"[]", b"\xff", good.replace(b"[1.0,3.0]", b'["many"]'), good):
                await broker.send(WorkQueue.TASKS, body)
            await until(lambda: len(desk.results) == 1)
            await worker.stop(1)
            await running
        assert counts.seen == ["unreadable", "unreadable", "unreadable", "taken", "unreadable", "taken", "instant trained"]
        assert await broker.depth(WorkQueue.TASKS) == await broker.depth(WorkQueue.DEAD_TASKS) == 0

    run(scenario)


def test_a_broker_that_is_away_for_a_while_loses_no_result() -> None:
    async def scenario() -> None:
        broker, desk = FlakyBroker(), Desk()
        products = [f"brot {i}" for i in range(150)]
        async with pool_of(1) as pool, broker.consume(WorkQueue.RESULTS, desk.take, prefetch=10), working(broker, pool):
            broker.refusing = frozenset({WorkQueue.RESULTS})
            await broker.send(WorkQueue.TASKS, encode(task("instant", products)))
            await until(lambda: broker.refused >= 4)
            assert desk.chunks == []
            broker.refusing = frozenset()
            await until(lambda: len(desk.results) >= 150)
        assert len(desk.ends) == len(desk.results) == 150

    run(scenario)


def test_a_task_is_held_until_the_broker_has_all_its_results() -> None:
    async def scenario() -> None:
        broker, other = FlakyBroker(), Desk()
        broker.refusing = frozenset({WorkQueue.RESULTS})
        async with pool_of(1) as pool:
            async with working(broker, pool):
                await broker.send(WorkQueue.TASKS, encode(task("instant", ["brot"])))
                await until(lambda: broker.refused >= 2)
            # The stop's grace is over and the result could not be sent: the task is back.
            assert await broker.depth(WorkQueue.TASKS) == 1
            broker.refusing = frozenset()
            async with working(broker, pool), broker.consume(WorkQueue.RESULTS, other.take, prefetch=1):
                await until(lambda: other.ends == {"brot": "trained"})

    run(scenario)


def test_a_batch_goes_on_when_the_link_is_lost_and_its_copy_changes_nothing() -> None:
    async def scenario() -> None:
        broker, desk = MemoryBroker(), Desk()
        async with pool_of(1) as pool, broker.consume(WorkQueue.RESULTS, desk.take, prefetch=10), working(broker, pool):
            await broker.send(WorkQueue.TASKS, encode(task("slow", ["a 0.2s", "b 0.2s", "c 0.2s"])))
            await until(lambda: len(desk.results) == 1)
            broker.break_link()
            await asyncio.sleep(0.1)
            broker.mend()
            await until(lambda: len(desk.ends) == 3)
            await broker.send(WorkQueue.TASKS, encode(task("instant", ["d"], batch=2)))
            await until(lambda: len(desk.ends) == 4)
        assert len(desk.results) == 4, "the copy that came again was recognised"
        assert await broker.depth(WorkQueue.TASKS) == 0

    run(scenario)


def test_two_slots_train_at_the_same_time() -> None:
    async def scenario() -> None:
        broker, desk = MemoryBroker(), Desk()
        settings = WorkerSettings(slots=2)
        async with pool_of(2) as pool, broker.consume(WorkQueue.RESULTS, desk.take, prefetch=10), working(broker, pool, settings):
            for batch in (1, 2):
                await broker.send(WorkQueue.TASKS, encode(task("slow", [f"{batch} {i} 0.2s" for i in range(12)], batch=batch)))
            await until(lambda: len(desk.results) == 24)
        # 2.4 s of work each: more than one child may start later than the other.
        batches = [c.batch for c in desk.chunks]
        assert batches != sorted(batches)
        assert batches != sorted(batches, reverse=True)

    run(scenario)


def test_after_its_time_the_rest_of_a_batch_goes_out_as_a_new_task() -> None:
    async def scenario() -> None:
        started = time.monotonic()
        desk = await train("slow", [f"brot {i} 0.1s" for i in range(6)], settings=WorkerSettings(slots=1, task_seconds=0.3))
        assert set(desk.ends.values()) == {"trained"}
        assert time.monotonic() - started > 0.6

    run(scenario)
