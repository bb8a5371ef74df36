"""Hand-out: what goes to the broker, and what becomes of a task that it does not take or whose workers die."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from tests.store.bookkeeper import chunk
from tests.training.parts import Parts, run

from levain_broker.errors import BrokerError, BrokerUnavailable
from levain_broker.memory import MemoryBroker
from levain_broker.memory_server import MemoryServer
from levain_broker.ports import Delivery
from levain_contracts.tasks import TrainingTask, decode_task, encode
from levain_contracts.topics import WorkQueue
from levain_training.store import products

NAMES = [f"p{i:03}" for i in range(100)]


def ids(tasks: Iterable[TrainingTask]) -> list[str]:
    return [s.product_id for task in tasks for s in task.series]


@contextlib.asynccontextmanager
async def handing_out(parts: Parts) -> AsyncIterator[None]:
    running = asyncio.create_task(parts.dispatcher.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})


async def depth(parts: Parts) -> int:
    return await parts.broker.depth(WorkQueue.TASKS)


def test_w_batches_go_out_and_more_as_they_come_back(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(NAMES)
        async with handing_out(parts), parts.taking_tasks() as tasks:
            for _ in range(3):  # said often, done once
                parts.dispatcher.room_for("anna", "job")
            await parts.until(lambda: reached(tasks, 4))
            await asyncio.sleep(0.05)
            assert len(tasks) == 4
            await parts.results(chunk(ids(tasks[:1]), batch=1))
            await parts.until(lambda: reached(tasks, 5))
            done = 1
            while (await parts.row())["state"] == "training":
                await asyncio.sleep(0.001)
                for task in tasks[done:]:
                    await parts.results(chunk(ids([task]), batch=task.batch))
                    done += 1
            assert sorted(ids(tasks)) == NAMES
        assert (await parts.row())["state"] == "completed"
        assert parts.repairs() == {}
        assert parts.count("tasks_sent") == len(tasks)

    run(tmp_path, scenario)


async def reached(tasks: list[TrainingTask], count: int) -> bool:
    return len(tasks) >= count


def test_what_the_broker_does_not_take_goes_out_with_the_next_repair_and_not_after_its_lease(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(NAMES)
        parts.broker.break_link()
        with pytest.raises(BrokerUnavailable):
            await parts.dispatcher.hand_out("anna", "job")
        with pytest.raises(BrokerUnavailable):
            await parts.dispatcher.repair_lapsed()
        assert parts.repairs() == {}
        parts.broker.mend()
        await parts.dispatcher.repair_lapsed()
        assert (await depth(parts), parts.repairs()) == (4, {"lapsed_batch": 4})
        await parts.dispatcher.repair_lapsed()
        assert await depth(parts) == 4

    run(tmp_path, scenario)


def test_a_full_queue_takes_the_rest_when_it_has_room(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(NAMES)
        with pytest.raises(BrokerError):
            await parts.dispatcher.hand_out("anna", "job")
        assert await depth(parts) == 3
        async with parts.taking_tasks() as tasks:
            await parts.until(lambda: reached(tasks, 3))
            await parts.dispatcher.repair_lapsed()
            await parts.until(lambda: reached(tasks, 4))
            assert len(set(ids(tasks))) == len(ids(tasks))

    run(tmp_path, scenario, MemoryBroker(MemoryServer(max_queue_messages=3)))


class Hesitant(MemoryBroker):
    """Takes its time with each task."""

    async def send(self, queue: WorkQueue, body: bytes) -> None:
        if queue is WorkQueue.TASKS:
            await asyncio.sleep(0.02)
        await super().send(queue, body)


def test_a_stop_in_the_middle_of_a_hand_out_leaves_no_batch_behind_that_was_not_sent(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(NAMES)
        async with handing_out(parts):
            parts.dispatcher.room_for("anna", "job")
            while not await depth(parts):
                await asyncio.sleep(0.002)
        assert await depth(parts) == 4

    run(tmp_path, scenario, Hesitant())


def test_a_job_whose_model_is_not_installed_here_holds_up_no_other(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(NAMES, "strange", model="nowhere_installed")
        await parts.analysed(NAMES, "plain")
        await parts.dispatcher.repair_waiting()
        assert await depth(parts) == 4
        assert parts.repairs() == {"waiting_products": 1}

    run(tmp_path, scenario, settled_seconds=0.0)


async def deadly(delivery: Delivery) -> None:
    """A worker that dies each time."""
    await delivery.give_back()


def test_products_whose_workers_die_go_out_alone_once_and_are_then_failed(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(NAMES[:3])
        dead_letters = parts.broker.consume(WorkQueue.DEAD_TASKS, parts.dispatcher.on_dead_letter, prefetch=1)
        async with handing_out(parts), dead_letters, parts.broker.consume(WorkQueue.TASKS, deadly, prefetch=1):
            parts.dispatcher.room_for("anna", "job")
            await parts.state_is("failed")
        row = await parts.row()
        assert (row["reason"], row["products_failed"]) == ("all_products_failed", 3)
        assert {e.data.reason for e in parts.events if e.data.__class__.__name__ == "ProductData"} == {"worker_lost"}  # type: ignore[union-attr]
        # Three batches of one product, each dead once together and once alone.
        assert parts.repairs() == {"dead_letter": 6}

    run(tmp_path, scenario)


def test_of_several_products_that_were_sent_on_as_alone_only_the_guilty_one_fails(tmp_path: Path) -> None:
    """As by a worker whose child died without a word about which product it was at."""
    guilty = NAMES[1]

    async def scenario(parts: Parts) -> None:
        async def work(delivery: Delivery) -> None:
            task = decode_task(delivery.body)
            together = [s.product_id for s in task.series]
            if not task.alone:
                await parts.broker.send(WorkQueue.TASKS, encode(task.model_copy(update={"alone": True})))
            elif guilty in together:
                return await delivery.give_back()
            else:
                await parts.results(chunk(together, batch=task.batch))
            return await delivery.ack()

        await parts.analysed(NAMES[:8])
        dead_letters = parts.broker.consume(WorkQueue.DEAD_TASKS, parts.dispatcher.on_dead_letter, prefetch=1)
        async with handing_out(parts), dead_letters, parts.broker.consume(WorkQueue.TASKS, work, prefetch=1):
            parts.dispatcher.room_for("anna", "job")
            await parts.state_is("completed")
        failed = await parts.store.read(products.failed_ids, await parts.row())
        assert failed == [guilty]
        assert parts.repairs() == {"dead_letter": 2}

    run(tmp_path, scenario, batches_out=1)


def test_a_dead_letter_is_not_lost_when_the_link_to_the_broker_breaks_again_and_again(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(NAMES[:1])
        dead_letters = parts.broker.consume(WorkQueue.DEAD_TASKS, parts.dispatcher.on_dead_letter, prefetch=1)
        async with handing_out(parts), dead_letters, parts.broker.consume(WorkQueue.TASKS, deadly, prefetch=1):
            parts.dispatcher.room_for("anna", "job")
            for _ in range(10):
                await asyncio.sleep(0.002)
                parts.broker.break_link()
                await asyncio.sleep(0.001)
                parts.broker.mend()
                await parts.reconciler.once()
            await parts.reconciler.once()
            await parts.state_is("failed")
            assert (await parts.row())["reason"] == "all_products_failed"

    run(tmp_path, scenario, settled_seconds=0.0)


def test_a_dead_letter_that_cannot_be_read_is_dropped(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        async with parts.broker.consume(WorkQueue.DEAD_TASKS, parts.dispatcher.on_dead_letter, prefetch=1):
            await parts.broker.send(WorkQueue.DEAD_TASKS, b"{}")
            await asyncio.sleep(0.05)
        assert await parts.broker.depth(WorkQueue.DEAD_TASKS) == 0
        assert parts.repairs() == {}

    run(tmp_path, scenario)
