"""What one viewer at the gateway sees of a job, from its start to each of its ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.e2e.whole import Embedded, OnStack, Whole, assert_equal_to_store, run
from tests.training.harness import Client, Watched, sales_csv

from levain_broker.memory import MemoryBroker


@asynccontextmanager
async def first_event_held(broker: MemoryBroker) -> AsyncIterator[asyncio.Event]:
    """`training.started` leaves when the event is set: a viewer can't be there before the job is."""
    publish, may_leave = broker.publish_event, asyncio.Event()

    async def held(routing_key: str, body: bytes) -> None:
        if routing_key == "training.started":
            await may_leave.wait()
        await publish(routing_key, body)

    broker.publish_event = held  # type: ignore[method-assign]
    try:
        yield may_leave
    finally:
        broker.publish_event = publish  # type: ignore[method-assign]


async def watched_from_the_start(whole: Embedded, client: Client, job_id: str) -> Watched:
    watched = Watched()
    async with first_event_held(whole.stack.broker) as may_leave:
        starting = asyncio.create_task(client.start(job_id, "slow"))
        while (await client.ask("GET", f"/jobs/{job_id}"))[0] == 404:
            await asyncio.sleep(0.01)
        async with client.live(job_id) as socket:
            watched.take((await socket.receive()).data)
            may_leave.set()
            async for message in socket:
                watched.take(message.data)
            watched.code = socket.close_code
    await starting
    return watched


def test_every_frame_of_a_job_comes_with_its_percentage_in_any_order_of_completion(tmp_path: Path) -> None:
    """Started 0 %, data analysis 20 %, each product 20 + floor(done / total x 60), completed 100 %."""

    async def scenario(whole: Embedded) -> None:
        for total in (1, 3, 7, 60):
            await _a_job_of(total, whole)

    run(scenario, tmp_path, service={"level_seconds": 60})  # so that no snapshot comes between


async def _a_job_of(total: int, whole: Embedded) -> None:
    client = whole.client()
    names, job_id = [f"Brot {i:02d} {0.3 if i == 0 else 0.02}s" for i in range(total)], f"job-{total}"
    await client.upload(sales_csv(names))
    seen = await watched_from_the_start(whole, client, job_id)
    assert seen.types == ["snapshot", "started", "progress", *["product_completed"] * total, "completed"]
    assert [f.progress for f in seen.frames] == [0, 0, 20, *(20 + done * 60 // total for done in range(1, total + 1)), 100]
    assert [f.seq for f in seen.frames] == [1, *range(1, total + 4)]
    assert seen.frames[0].data["stage"] == "started"
    assert (seen.frames[2].data["step"], seen.frames[2].data["total_products"]) == ("data_analysis", total)
    ends = seen.frames[3:-1]
    assert sorted(str(f.data["product"]) for f in ends) == names
    assert [f.data["products_completed"] for f in ends] == list(range(1, total + 1))
    assert total < 60 or [f.data["product"] for f in ends] != names  # the slowest was handed out first
    last = seen.frames[-1].data
    assert (last["successful"], last["failed"], last["failures"]) == (total, 0, [])
    assert (seen.code, seen.state.gap) == (1000, False)
    await assert_equal_to_store([seen.state], client, job_id)


UNUSABLE = b"date,product,quantity\n13/01/2023,Brot,3\n01/13/2023,Brot,4\n"
GOOD = [f"Brot {i}" for i in range(6)]
# dataset, model, the last frame's type, what its data must hold, its progress
FAILURES: dict[str, tuple[bytes, str, str, dict[str, Any], int]] = {
    "unusable": (UNUSABLE, "instant", "failed", {"failures": []}, 0),
    "all-fail": (sales_csv(GOOD), "fails", "failed", {"reason": "all_products_failed", "failed": 6}, 80),
    "some-fail": (sales_csv(["bad 1", "bad 2", *GOOD]), "fails_some", "completed", {"successful": 6, "failed": 2}, 100),
    "killer": (sales_csv(["killer", *GOOD]), "kills", "completed", {"successful": 6, "failed": 1}, 100),
}


def test_each_kind_of_failure_ends_as_promised_before_a_viewers_eyes(on_each_stack: OnStack) -> None:
    """Unusable data and all products failed: `failed` with a reason. Some failed, or one kills its process: the rest goes on."""

    async def scenario(whole: Whole) -> None:
        client = whole.client()

        async def one(job_id: str) -> Watched:
            body, model, *_ = FAILURES[job_id]
            await client.upload(body, job_id)
            await client.start(job_id, model, job_id)
            return await client.watch(job_id)

        seen = dict(zip(FAILURES, await asyncio.gather(*map(one, FAILURES)), strict=True))
        for job_id, watched in seen.items():
            _, _, kind, holds, progress = FAILURES[job_id]
            last = watched.frames[-1]
            assert (watched.code, last.type.value, last.progress) == (1000, kind, progress), job_id
            assert holds.items() <= last.data.items(), last.data
            await assert_equal_to_store([watched.state], client, job_id)
        unusable = seen["unusable"].frames[-1].data
        assert unusable["reason"] == "mixed_dates"
        assert "line 2" in str(unusable["message"]) and "line 3" in str(unusable["message"])
        assert {f.reason for f in seen["all-fail"].state.failures} == {"refused"}
        assert sorted(f.product for f in seen["some-fail"].state.failures) == ["bad 1", "bad 2"]
        assert [(f.product, f.reason) for f in seen["killer"].state.failures] == [("killer", "worker_process_died")]
        assert whole.at_service("jobs_ended_total", state="failed") == 2

    on_each_stack(scenario)
