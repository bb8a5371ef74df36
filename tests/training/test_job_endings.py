"""How jobs end: failures, cancel, suspend, limits, deadlines; and that what ended stays ended."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from tests.training.harness import Client, Stack, run, sales_csv

SLOW = [f"Brot {i} 0.2s" for i in range(12)]


def test_a_job_whose_data_is_unusable_fails_with_the_reason_and_the_line(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(b"date,product,quantity\n13/01/2023,Brot,3\n01/13/2023,Brot,4\n")
        await client.start("job", "instant")
        job = await client.ended("job")
        assert (job["state"], job["total_products"], job["progress"]) == ("failed", None, 0)
        assert job["reason"]
        assert "2" in job["message"]
        assert "3" in job["message"]
        watched = await client.watch("job")
        assert watched.types == ["snapshot", "failed"]
        assert watched.frames[-1].data["reason"] == job["reason"]

    run(scenario, tmp_path)


def test_a_job_whose_products_all_fail_ends_in_failed(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot 1", "Brot 2", "Brot 3"]))
        await client.start("job", "fails")
        watched = await client.watch("job")
        last = watched.frames[-1]
        assert (last.type, last.data["reason"], last.data["failed"], last.progress) == ("failed", "all_products_failed", 3, 80)
        failures = last.data["failures"]
        assert isinstance(failures, list)
        assert len(failures) == 3

    run(scenario, tmp_path)


def test_one_failing_product_of_many_does_not_fail_the_job(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["bad one", *(f"Brot {i}" for i in range(9))]))
        await client.start("job", "fails_some")
        watched = await client.watch("job")
        assert watched.frames[-1].type == "completed"
        assert (watched.frames[-1].data["successful"], watched.frames[-1].data["failed"]) == (9, 1)

    run(scenario, tmp_path)


def test_a_product_that_kills_its_process_is_failed_and_the_rest_goes_on(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["killer", *(f"Brot {i}" for i in range(7))]))
        await client.start("job", "kills")
        job = await client.ended("job")
        ends = await client.ends("job")
        assert (job["state"], job["products_failed"]) == ("completed", 1)
        assert (ends["killer"]["status"], ends["killer"]["reason"]) == ("failed", "worker_process_died")

    run(scenario, tmp_path)


def test_more_failures_than_allowed_end_the_job(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv([f"bad {i}" for i in range(5)] + [f"Brot {i}" for i in range(5)]))
        await client.start("strict", "fails_some", max_failed_products=1)
        await client.start("lenient", "fails_some", maxFailedProducts=5)
        strict, lenient = await client.ended("strict"), await client.ended("lenient")
        assert (strict["state"], strict["reason"], strict["products_failed"]) == ("failed", "too_many_failed_products", 2)
        assert lenient["state"] == "completed"

    run(scenario, tmp_path)


def test_products_that_cannot_be_trained_are_failed_by_the_analysis_with_their_code(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        short = b"".join(f"2024-04-{day:02},Neu,5\n".encode() for day in range(20, 30))
        await client.upload(sales_csv(["Brot"]) + short)
        await client.start("job", "instant")
        job = await client.ended("job")
        ends = await client.ends("job")
        assert (ends["Neu"]["status"], ends["Neu"]["reason"]) == ("failed", "too_little_history")
        assert (job["state"], job["total_products"], job["products_failed"]) == ("completed", 2, 1)
        assert job["report"]["skipped"] == [{"reason": "too_little_history", "count": 1, "products": ["Neu"]}]

    run(scenario, tmp_path)


@pytest.mark.parametrize("moment", ["at once", "while analysing", "while training"])
def test_a_cancelled_job_ends_at_once_and_late_results_change_nothing(tmp_path: Path, moment: str) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(SLOW))
        await client.start("job", "slow")
        if moment == "while analysing":
            await client.wait_for("job", lambda job: job["state"] == "analysing")
        if moment == "while training":
            await client.wait_for("job", lambda job: job["products_completed"] >= 2)
        watching = asyncio.create_task(client.watch("job"))
        started = time.monotonic()
        status, job = await client.ask("POST", "/jobs/job/cancel")
        assert (status, job["state"]) == (202, "cancelled")
        watched = await watching
        assert time.monotonic() - started < 10
        assert watched.code == 1000
        assert (watched.frames[-1].type, watched.frames[-1].data["reason"]) == ("failed", "cancelled")
        await asyncio.sleep(1)
        assert await client.job("job") == job
        assert (await client.ask("POST", "/jobs/job/cancel"))[0] == 200
        assert (await client.ask("POST", "/jobs/job/suspend"))[1]["code"] == "already_ended"

    run(scenario, tmp_path)


def test_a_suspended_job_hands_out_nothing_and_goes_on_with_what_was_finished(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(SLOW))
        await client.start("job", "slow")
        await client.wait_for("job", lambda job: job["products_completed"] >= 2)
        async with client.live("job") as socket:
            assert not (await socket.receive_json())["data"]["suspended"]
            status, job = await client.ask("POST", "/jobs/job/suspend")
            assert (status, job["suspended"]) == (200, True)
            while (frame := await socket.receive_json())["type"] != "snapshot":
                pass
            assert frame["data"]["suspended"]
        rest = await _quiet(client, "job")
        assert 2 <= rest["products_completed"] < 12
        assert (await client.ask("POST", "/jobs/job/suspend"))[1]["seq"] == rest["seq"]
        assert not (await client.ask("POST", "/jobs/job/resume"))[1]["suspended"]
        ended = await client.ended("job")
        assert (ended["state"], ended["products_completed"]) == ("completed", 12)
        assert (await stack.repairs()) == {}

    run(scenario, tmp_path, batches_out=2)


async def _quiet(client: Client, job_id: str) -> Any:
    """The job when nothing came back for a while."""
    job: Any = None
    for _ in range(20):
        before, job = job, await client.job(job_id)
        if before == job:
            return job
        await asyncio.sleep(0.7)
    raise AssertionError("the job never got quiet")


def test_a_job_that_is_suspended_before_its_analysis_waits_for_it(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot"]))
        for analyst in stack.service.analysts:
            analyst.wake = lambda: None  # type: ignore[method-assign]
        await client.start("job", "instant")
        await client.ask("POST", "/jobs/job/suspend")
        await asyncio.sleep(2.5)
        assert (await client.job("job"))["state"] in ("pending", "analysing", "training")
        await client.ask("POST", "/jobs/job/resume")
        assert (await client.ended("job"))["state"] == "completed"

    run(scenario, tmp_path)


def test_a_job_past_its_deadline_fails_and_its_clock_stands_still_while_it_is_suspended(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv([f"Brot {i} 1s" for i in range(12)]))
        await client.start("late", "slow", active_deadline_seconds=1)
        await client.start("patient", "slow", activeDeadlineSeconds=2)
        await client.ask("POST", "/jobs/patient/suspend")
        late = await client.ended("late")
        assert (late["state"], late["reason"]) == ("failed", "deadline_exceeded")
        await asyncio.sleep(1.5)
        assert (await client.job("patient"))["state"] in ("pending", "analysing", "training")
        await client.ask("POST", "/jobs/patient/resume")
        assert (await client.ended("patient"))["reason"] == "deadline_exceeded"

    run(scenario, tmp_path)


def test_one_tenants_many_slow_products_do_not_hold_up_anothers_few(tmp_path: Path) -> None:
    """20,000 slow products of one tenant, 20 of another: at most W batches are out, so the second ends long before the first."""

    async def scenario(stack: Stack) -> None:
        big, small = stack.client("big"), stack.client("small")
        await big.upload(sales_csv([f"Brot {i} 0.05s" for i in range(20_000)], days=30), "huge")
        await small.upload(sales_csv([f"Brot {i} 0.05s" for i in range(20)]))
        await big.start("big", "slow", "huge")
        await big.wait_for("big", lambda job: job["products_completed"] >= 1)
        await small.start("small", "slow")
        assert (await small.ended("small"))["products_completed"] == 20
        assert (await big.job("big"))["products_completed"] < 2000
        status, _ = await big.ask("POST", "/jobs/big/cancel")
        assert status == 202

    run(scenario, tmp_path)
