"""What becomes of the broker, or of the way to it, in the middle of a job: work goes on or waits, and viewers are level soon after."""

import asyncio
import os
import time

import pytest
from tests.processes.conftest import Running
from tests.processes.healing import Trial, trial
from tests.processes.kit import Faults, names

from levain.scaled.member import Member
from levain.scaled.rabbitmq import RabbitMQ
from levain_contracts.topics import WorkQueue

pytestmark = pytest.mark.servers

# `LEVAIN_TEST_FAULT_SECONDS=30` (and `--timeout 120`) for a long run; what is to be shown shows itself in a few.
FAULT_SECONDS = float(os.environ.get("LEVAIN_TEST_FAULT_SECONDS", "6"))
PRODUCTS = names(40, 0.2)
SLOWEST_ANSWER_SECONDS = 3.0  # a publish may take 2


def users_of_the_broker(running: Running) -> list[Member]:
    return [*running.stack.replicas, *running.stack.workers]


async def no_step_blocks(it: Trial, seconds: float) -> None:
    """For so long jobs are accepted, whose events can't be published, and what is stored is told."""
    slowest, accepted, until = 0.0, 0, time.monotonic() + seconds
    spec = {"dataset": {"name": "sales"}, "model": "instant"}
    while time.monotonic() < until:
        for method, path, body in (("PUT", f"/jobs/{it.job_id}-{accepted}", spec), ("GET", f"/jobs/{it.job_id}", None)):
            asked = time.monotonic()
            status, _ = await it.client.ask(method, path, json=body)
            assert status in (200, 202)
            slowest = max(slowest, time.monotonic() - asked)
        accepted += 1
        await asyncio.sleep(0.5)
    print(f"{it.job_id}: {accepted} jobs accepted, the slowest answer after {slowest:.2f} s")
    assert slowest < SLOWEST_ANSWER_SECONDS


def test_a_broker_that_is_killed_and_comes_back_costs_nothing(running: Running, rabbitmq: RabbitMQ) -> None:
    async def scenario(faults: Faults) -> None:
        async with trial(faults, "killed", PRODUCTS) as it:
            await it.some_have_ended()
            rabbitmq.kill()
            await it.not_ready(users_of_the_broker(running), 5, "broker")
            await no_step_blocks(it, 1)
            rabbitmq.launch()  # on this thread, whose end would end it
            await asyncio.to_thread(rabbitmq.wait)
            it.is_back()
            await it.level(users_of_the_broker(running))
            await it.goes_on()

    running.run(scenario)


def test_links_that_are_cut_again_and_again_cost_nothing(running: Running) -> None:
    async def scenario(faults: Faults) -> None:
        async with trial(faults, "cut", PRODUCTS) as it:
            await it.some_have_ended()
            for _ in range(4):
                running.broker.cut()
                await asyncio.sleep(0.4 + faults.random.random())
            it.is_back()
            await it.level(users_of_the_broker(running))

    running.run(scenario)


def test_links_that_go_silent_for_ever_are_left_for_new_ones(running: Running) -> None:
    """Half-open: no byte comes, and nothing is closed."""
    members = users_of_the_broker(running)

    async def scenario(faults: Faults) -> None:
        async with trial(faults, "half-open", PRODUCTS) as it:
            await it.some_have_ended()
            said = [member.log.read_text().count("the link is dead") for member in members]
            running.broker.half_open()
            it.is_back()
            await it.level()
            async with asyncio.timeout(10):
                while not all(member.log.read_text().count("the link is dead") > n for member, n in zip(members, said, strict=True)):
                    await asyncio.sleep(0.1)
            it.says("all dead links are left")
            it.is_back()
            await it.level(members)
            await it.goes_on()

    running.run(scenario)


@pytest.mark.parametrize("fault", ["refuse", "black_hole"])
def test_work_waits_while_the_broker_is_out_of_reach_and_readiness_says_so(running: Running, fault: str) -> None:
    async def scenario(faults: Faults) -> None:
        async with trial(faults, fault.replace("_", "-"), PRODUCTS) as it:
            await it.some_have_ended()
            getattr(running.broker, fault)()
            try:
                await it.not_ready(users_of_the_broker(running), 10)
                await no_step_blocks(it, FAULT_SECONDS / 2)
            finally:
                running.broker.mend()
            it.is_back()
            await it.level(users_of_the_broker(running))
            await it.goes_on()

    running.run(scenario)


@pytest.mark.parametrize("fault", ["half_open", "black_hole"])
def test_viewers_of_a_replica_that_alone_has_lost_the_broker_are_told_by_the_store(running: Running, fault: str) -> None:
    """The other replica takes all results, and its events reach no viewer of the first."""
    one, other = running.stack.replicas

    async def scenario(faults: Faults) -> None:
        async with trial(faults, f"alone-{fault.replace('_', '-')}", PRODUCTS, port=faults.ports[1]) as it:
            await it.some_have_ended()
            getattr(running.broker_of_one, fault)()
            try:
                await it.client.ended(it.job_id)
                it.is_back()  # the end is in the store, and no event of it reaches the first replica
                await it.level()
                assert await other.problems() == []
            finally:
                running.broker_of_one.mend()
        await one.until_ready()

    running.run(scenario)


def test_a_memory_alarm_stops_no_answer_and_loses_nothing(running: Running, rabbitmq: RabbitMQ) -> None:
    async def scenario(faults: Faults) -> None:
        # Longer than the others: the broker looks at its memory every 2.5 s.
        async with trial(faults, "alarm", names(100, 0.2)) as it:
            await it.some_have_ended()
            await asyncio.to_thread(rabbitmq.alarm, True)
            try:
                await it.not_ready(users_of_the_broker(running), 10, "alarm")
                await no_step_blocks(it, FAULT_SECONDS)
            finally:
                await asyncio.to_thread(rabbitmq.alarm, False)
            it.is_back()
            await it.level(users_of_the_broker(running))
            await it.goes_on()

    running.run(scenario)


def test_live_queues_that_are_deleted_are_made_anew(running: Running, rabbitmq: RabbitMQ) -> None:
    vhost = running.broker_url.rpartition("/")[2]

    async def scenario(faults: Faults) -> None:
        async with trial(faults, "live-queue", PRODUCTS) as it:
            await it.some_have_ended()
            queues = await asyncio.to_thread(rabbitmq.control, "list_queues", "-p", vhost, "name")
            live = [name for name in queues.split() if name.startswith("training.events.training-")]
            assert len(live) == 2
            for name in live:
                await asyncio.to_thread(rabbitmq.control, "delete_queue", "-p", vhost, name)
            it.is_back()
            await it.level(users_of_the_broker(running))

    running.run(scenario)


@pytest.mark.parametrize("queue", [WorkQueue.TASKS, WorkQueue.RESULTS], ids=str)
def test_consumers_that_are_cancelled_with_their_queue_come_back_to_a_new_one(
    running: Running, rabbitmq: RabbitMQ, queue: WorkQueue
) -> None:
    vhost = running.broker_url.rpartition("/")[2]

    async def scenario(faults: Faults) -> None:
        async with trial(faults, queue.value.replace(".", "-"), PRODUCTS) as it:
            await it.some_have_ended()
            await asyncio.to_thread(rabbitmq.control, "delete_queue", "-p", vhost, queue.value)
            it.is_back()
            await it.level(users_of_the_broker(running))

    running.run(scenario)


def test_tasks_that_are_lost_with_their_queue_are_sent_again_when_their_lease_has_lapsed(running: Running, rabbitmq: RabbitMQ) -> None:
    vhost = running.broker_url.rpartition("/")[2]
    products = names(8, 0.05)

    async def scenario(faults: Faults) -> None:
        await asyncio.gather(*(worker.stop() for worker in running.stack.workers))
        async with trial(faults, "lost-tasks", products):
            async with asyncio.timeout(10):
                while await faults.depth(WorkQueue.TASKS) == 0:
                    await asyncio.sleep(0.1)
            await asyncio.to_thread(rabbitmq.control, "delete_queue", "-p", vhost, WorkQueue.TASKS.value)
            await asyncio.gather(*(worker.start() for worker in running.stack.workers))
        assert faults.repairs_since().keys() == {"lapsed_batch"}

    running.run(scenario)
