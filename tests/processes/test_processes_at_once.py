"""Two replicas at the same work at the same instant: copies, any order, lateness and ends that meet change nothing."""

import asyncio
from collections import Counter

import pytest
from tests.e2e.whole import assert_equal_to_store
from tests.processes.accounting import Expected
from tests.processes.conftest import Running
from tests.processes.kit import Faults, all_trained, names
from tests.training.harness import Watched, sales_csv

from levain_broker.ports import Delivery
from levain_contracts import events
from levain_contracts.jobs import JobState
from levain_contracts.tasks import FailedProduct, ResultChunk, TrainingTask, decode_task, encode
from levain_contracts.topics import WorkQueue

pytestmark = pytest.mark.servers

# No repair falls into these tests: what they show happens by itself.
REPLICAS = {"LEVAIN_SETTLED_SECONDS": "120"}
TERMINAL = ("training.completed", "training.failed")


def test_a_hundred_jobs_that_end_at_the_same_instant_have_a_hundred_ends_before_any_repair(running: Running) -> None:
    """Field case K13."""

    async def scenario(faults: Faults) -> None:
        clients = [faults.client(port=port) for port in faults.ports]
        jobs = [f"job-{i}" for i in range(100)]
        await clients[0].upload(sales_csv(["Brot", "Brezel"]))
        await asyncio.gather(*(clients[i % 2].start(job, "instant") for i, job in enumerate(jobs)))
        async with asyncio.timeout(50):
            while sum(e.type.value in TERMINAL for e in faults.events) < 100:
                await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        assert {(await clients[0].job(job))["state"] for job in jobs} == {"completed"}
        mine = [e for e in faults.events if e.tenant_id == faults.tenant("anna")]
        assert Counter(e.job_id for e in mine if e.type.value in TERMINAL) == Counter(jobs)
        assert Counter(e.type.value for e in mine)["training.product.completed"] == 200
        assert faults.repairs_since() == {}

    running.run(scenario)


def test_viewers_of_both_replicas_see_the_same_and_end_equal(running: Running) -> None:
    async def scenario(faults: Faults) -> None:
        products = names(40, 0.05)
        client = await faults.start("both", products)
        async with faults.witnesses("both", each=5) as witnesses:
            found = await faults.accounted("both", all_trained(products), witnesses, client)
        assert found.recovered == []
        assert faults.repairs_since() == {}
        sent = [faults.at_one(replica, "levain_training_frames_sent_total") for replica in running.stack.replicas]
        assert min(sent) > 40  # each replica had its viewers

    running.run(scenario)


async def taken(faults: Faults, count: int) -> list[TrainingTask]:
    """The next tasks, taken off the queue."""
    found: list[TrainingTask] = []
    enough = asyncio.Event()

    async def take(delivery: Delivery) -> None:
        found.append(decode_task(delivery.body))
        if len(found) == count:
            enough.set()
        await delivery.ack(last=len(found) == count)

    async with faults.broker.consume(WorkQueue.TASKS, take, prefetch=1):
        await asyncio.wait_for(enough.wait(), 20)
    return found


def test_copies_of_tasks_results_and_events_in_any_order_change_nothing(running: Running) -> None:
    products = names(8, 0.05)

    async def scenario(faults: Faults) -> None:
        await asyncio.gather(*(worker.stop() for worker in running.stack.workers))
        client = await faults.start("copies", products)
        tasks = await taken(faults, 2)
        copies = [*tasks, *tasks, *tasks]
        faults.random.shuffle(copies)
        for task in copies:
            await faults.broker.send(WorkQueue.TASKS, encode(task))
        await asyncio.gather(*(worker.start() for worker in running.stack.workers))
        async with faults.witnesses("copies", each=2) as witnesses:
            repeating = asyncio.create_task(_repeat_events(faults))
            await faults.accounted("copies", all_trained(products), witnesses, client)
            repeating.cancel()
        before = await client.ends("copies")
        await _late_results(faults, tasks)
        assert await client.ends("copies") == before
        assert (await client.job("copies"))["products_failed"] == 0

    running.run(scenario)


async def _repeat_events(faults: Faults) -> None:
    """What was published is published again, in any order, as by a repair that was wrong."""
    while True:
        for event in faults.random.sample(faults.events, len(faults.events)):
            await faults.broker.publish_event(event.type.value, events.encode(event))
        await asyncio.sleep(0.1)


async def _late_results(faults: Faults, tasks: list[TrainingTask]) -> None:
    """The opposite of what was stored, long after the end."""
    before = faults.at_service("results_total", outcome="late")
    for task in tasks:
        wrong = [FailedProduct(product_id=s.product_id, reason="too_late", message="too late") for s in task.series]
        await faults.broker.send(
            WorkQueue.RESULTS, encode(ResultChunk(tenant_id=task.tenant_id, job_id=task.job_id, batch=task.batch, results=list(wrong)))
        )
    async with asyncio.timeout(10):
        while faults.at_service("results_total", outcome="late") < before + sum(len(task.series) for task in tasks):
            await asyncio.sleep(0.1)


def test_results_of_a_cancelled_job_are_counted_and_dropped(running: Running) -> None:
    async def scenario(faults: Faults) -> None:
        products = names(8, 0.5)
        client = await faults.start("cancelled", products)
        async with faults.witnesses("cancelled") as witnesses:
            await client.wait_for("cancelled", lambda job: job["products_completed"] >= 1)
            other = faults.client(port=faults.ports[1])
            assert (await other.ask("POST", "/jobs/cancelled/cancel"))[0] == 202
            ended = await client.job("cancelled")
            await faults.accounted("cancelled", Expected(frozenset(products), state=JobState.CANCELLED), witnesses, client)
        async with asyncio.timeout(10):
            while faults.at_service("results_total", outcome="late") == 0:
                await asyncio.sleep(0.1)
        assert (await client.job("cancelled"))["seq"] == ended["seq"]
        late: Watched = await client.watch("cancelled")
        assert late.types == ["snapshot", "failed"]
        await assert_equal_to_store([late.state], client, "cancelled")

    running.run(scenario)
