"""Cancel and suspend through the gateway, while viewers watch."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

from tests.e2e.whole import OnStack, Whole, assert_equal_to_store, run, stored, until
from tests.training.harness import Client, Watched, sales_csv

from levain_contracts.viewer import ViewerState

NAMES = [f"Brot {i} 0.15s" for i in range(24)]
MOMENTS = {"at-once": 0, "in-training": 1, "near-the-end": 16}  # products that have ended by then
CANCELLED_WITHIN_SECONDS = 10


def test_a_job_that_is_cancelled_at_any_moment_ends_for_every_viewer_and_late_results_change_nothing(on_each_stack: OnStack) -> None:
    async def scenario(whole: Whole) -> None:
        client = whole.client()
        await client.upload(sales_csv(NAMES))
        at_their_ends = {job_id: await _cancelled(whole, client, job_id, finished) for job_id, finished in MOMENTS.items()}
        await asyncio.sleep(0.5)  # what was at work comes back meanwhile
        assert {job_id: await stored(client, job_id) for job_id in MOMENTS} == at_their_ends
        assert whole.at_service("jobs_ended_total", state="cancelled") == len(MOMENTS)

    on_each_stack(scenario)


async def _cancelled(whole: Whole, client: Client, job_id: str, finished: int) -> ViewerState:
    """Cancels once so many products have ended. What the store holds when all viewers have seen the end."""
    await client.start(job_id, "slow")
    watching = [asyncio.create_task(client.watch(job_id)) for _ in range(4)]
    await until(lambda: whole.open_sockets[1] == 4)
    await client.wait_for(job_id, lambda job: job["products_completed"] >= finished)
    assert (await client.ask("POST", f"/jobs/{job_id}/cancel"))[0] == 202
    async with asyncio.timeout(CANCELLED_WITHIN_SECONDS):
        seen = await asyncio.gather(*watching)
    assert [(w.types[-1], w.frames[-1].data["reason"], w.code) for w in seen] == [("failed", "cancelled", 1000)] * 4
    await assert_equal_to_store([w.state for w in (*seen, await client.watch(job_id))], client, job_id)
    assert (await client.ask("POST", f"/jobs/{job_id}/cancel"))[0] == 200
    await until(lambda: whole.open_sockets[1] == 0)
    return await stored(client, job_id)


def test_a_suspended_job_is_seen_suspended_and_goes_on_with_what_was_finished(tmp_path: Path) -> None:
    async def scenario(whole: Whole) -> None:
        client = whole.client()
        await client.upload(sales_csv(NAMES))
        await client.start("job", "slow")
        watching = [asyncio.create_task(client.watch("job")) for _ in range(4)]
        await client.wait_for("job", lambda job: job["products_completed"] >= 2)
        status, job = await client.ask("POST", "/jobs/job/suspend")
        assert (status, job["suspended"]) == (200, True)
        quiet = await _quiet(client)
        assert 2 <= quiet["products_completed"] < 24
        finished = await client.ends("job")
        assert (await client.ask("POST", "/jobs/job/resume"))[0] == 200
        seen: list[Watched] = await asyncio.gather(*watching)
        for watched in seen:
            told = [f.data["suspended"] for f in watched.frames if f.type == "snapshot"]
            assert [value for value, _ in itertools.groupby(told)] == [False, True, False]
        ends = await client.ends("job")
        assert all(ends[name] == end for name, end in finished.items() if end["status"] != "pending")
        await assert_equal_to_store([w.state for w in seen], client, "job")
        assert seen[0].state.products_completed == 24

    run(scenario, tmp_path, service={"batches_out": 2})


async def _quiet(client: Client) -> Any:
    """The job once what was out has come back."""
    job: Any = None
    for _ in range(20):
        before, job = job, await client.job("job")
        if before == job:
            return job
        await asyncio.sleep(0.5)
    raise AssertionError("the job never got quiet")
