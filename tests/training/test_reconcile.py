"""The reconcile: a quiet system has no repairs, and each kind of loss is mended and counted once."""

import asyncio
import time
from pathlib import Path

import sqlalchemy as sa
from tests.store.bookkeeper import LEASE_SECONDS, chunk, spec
from tests.training.harness import Stack, sales_csv
from tests.training.harness import run as run_stack
from tests.training.parts import NOW, Parts, run

from levain_contracts.events import EventType
from levain_contracts.topics import WorkQueue
from levain_training.store import batches, jobs


async def rounds(parts: Parts, count: int = 3) -> None:
    for _ in range(count):
        await parts.reconciler.once()
        await parts.publisher.write_marks()


def test_a_quiet_system_with_running_suspended_and_ended_jobs_has_nothing_to_mend(tmp_path: Path) -> None:
    """Marks are written every half second; what is older than one counts as lost here."""

    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv([f"Brot {i} 0.3s" for i in range(16)]))
        for job in ("runs", "rests", "cancelled"):
            await client.start(job, "slow", activeDeadlineSeconds=600)
        await client.ask("POST", "/jobs/rests/suspend")
        await client.ask("POST", "/jobs/cancelled/cancel")
        await client.ended("runs")
        await client.ask("POST", "/jobs/rests/resume")
        await client.wait_for("rests", lambda job: job["products_completed"] > 0)
        await client.ask("POST", "/jobs/rests/suspend")
        await asyncio.sleep(1.5)
        assert await stack.repairs() == {}

    run_stack(scenario, tmp_path, settled_seconds=1.0, reconcile_seconds=0.05)


def test_the_last_event_that_the_broker_did_not_take_is_published_again_once(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(["brot", "brezel"])
        parts.broker.break_link()
        await parts.tracker.record(chunk(["brot", "brezel"]))
        await rounds(parts)
        assert parts.repairs() == {}  # the broker is still away
        parts.broker.mend()
        await rounds(parts)
        await asyncio.sleep(0)
        assert parts.repairs() == {"unpublished_event": 1}
        assert [(e.type, e.seq, e.progress) for e in parts.events[-1:]] == [(EventType.COMPLETED, 5, 100)]
        assert parts.count("jobs_ended", state="completed") == 1
        row = await parts.row()
        assert row["published_seq"] == row["seq"]

    run(tmp_path, scenario, settled_seconds=0.0)


def test_an_event_lost_before_a_later_one_needs_no_repair(tmp_path: Path) -> None:
    """Viewers close the gap by a read."""

    async def scenario(parts: Parts) -> None:
        await parts.analysed(["brot", "brezel"])
        parts.broker.break_link()
        await parts.tracker.record(chunk(["brot"]))
        parts.broker.mend()
        await parts.tracker.record(chunk(["brezel"]))
        await parts.publisher.write_marks()
        await rounds(parts)
        assert parts.repairs() == {}

    run(tmp_path, scenario, settled_seconds=0.0)


def test_a_suspend_takes_a_number_without_an_event_and_is_no_loss(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(["brot"])
        await parts.store.write(jobs.set_suspended, "anna", "job", True, NOW)
        await rounds(parts)
        row = await parts.row()
        assert (parts.repairs(), row["published_seq"], row["seq"]) == ({}, 3, 3)

    run(tmp_path, scenario, settled_seconds=0.0)


def test_marks_of_two_steps_that_end_out_of_order_do_not_go_back(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        step = await parts.analysed(["brot"])
        cancelled = await parts.store.write(jobs.cancel, "anna", "job", NOW)
        await parts.publisher.publish_step(cancelled.events)
        await parts.publisher.publish_step(step.events)
        await parts.publisher.write_marks()
        assert (await parts.row())["published_seq"] == 3

    run(tmp_path, scenario)


def test_a_lapsed_batch_goes_out_again_once(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(["brot"])
        await parts.dispatcher.hand_out("anna", "job")
        await rounds(parts)
        assert (parts.repairs(), await parts.broker.depth(WorkQueue.TASKS)) == ({}, 1)
        await parts.store.write(batches.lapse_all)
        await rounds(parts)
        assert (parts.repairs(), await parts.broker.depth(WorkQueue.TASKS)) == ({"lapsed_batch": 1}, 2)

    run(tmp_path, scenario)


def test_products_that_wait_though_nobody_said_so_go_out_once(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(["brot"])
        await rounds(parts)
        assert (parts.repairs(), await parts.broker.depth(WorkQueue.TASKS)) == ({"waiting_products": 1}, 1)

    run(tmp_path, scenario)


def test_a_job_past_its_deadline_is_ended_and_its_event_published(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(["brot"], active_deadline_seconds=1)
        await rounds(parts)
        assert parts.repairs() == {"deadline": 1}
        assert [(e.type, e.seq) for e in parts.events[-1:]] == [(EventType.FAILED, 3)]
        assert (await parts.row())["reason"] == "deadline_exceeded"

    run(tmp_path, scenario)


def test_a_repair_that_fails_holds_up_no_other(tmp_path: Path) -> None:
    """An event that can't be rebuilt, and a broker that is away: deadlines end jobs all the same."""

    async def scenario(parts: Parts) -> None:
        await parts.analysed(["brot"], "broken")
        parts.broker.break_link()
        await parts.store.write(jobs.cancel, "anna", "broken", NOW)
        await parts.store.write(spoil, "broken")
        await parts.analysed(["brot"], "late", active_deadline_seconds=1)
        await rounds(parts)
        assert (await parts.row("late"))["reason"] == "deadline_exceeded"

    run(tmp_path, scenario, settled_seconds=0.0)


def spoil(connection: sa.Connection, job: str) -> None:
    connection.execute(sa.text("UPDATE jobs SET reason = 'No Code!' WHERE job_id = :job"), {"job": job})


def test_the_loop_goes_on_for_ever_and_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        running = asyncio.create_task(parts.reconciler.run())
        for job in ("one", "two"):
            await parts.store.write(jobs.create, "anna", job, spec(active_deadline_seconds=1), {}, time.time() - LEASE_SECONDS)
            await parts.state_is("failed", job)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()

    run(tmp_path, scenario)
