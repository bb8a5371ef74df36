"""Workers, their children and gateways are killed, or politely stopped, in the middle of a job."""

import asyncio

import psutil
import pytest
from tests.processes.accounting import Expected
from tests.processes.conftest import Running
from tests.processes.kit import Faults, all_trained, back, kept_up, names

from levain.scaled.member import Member
from levain_contracts.topics import WorkQueue

pytestmark = pytest.mark.servers

PRODUCTS = names(24, 0.2)


async def busy_child(worker: Member) -> psutil.Process:
    while not (children := psutil.Process(worker.pid).children()):
        await asyncio.sleep(0.02)
    return children[-1]


async def some_have_ended(faults: Faults, job_id: str, count: int) -> None:
    await faults.client().wait_for(job_id, lambda job: job["products_completed"] >= count)


def test_a_worker_that_is_killed_in_the_middle_of_its_batches_costs_no_product(running: Running) -> None:
    async def scenario(faults: Faults) -> None:
        async with kept_up(running.stack.workers):
            client = await faults.start("worker", PRODUCTS)
            async with faults.witnesses("worker") as witnesses:
                for done in (2, 10):
                    await some_have_ended(faults, "worker", done)
                    faults.random.choice(running.stack.workers).kill()
                await faults.accounted("worker", all_trained(PRODUCTS), witnesses, client)

    running.run(scenario)


def test_a_child_that_is_killed_in_the_middle_of_a_product_costs_no_product(running: Running) -> None:
    async def scenario(faults: Faults) -> None:
        client = await faults.start("child", PRODUCTS)
        async with faults.witnesses("child") as witnesses:
            # One of each: on a busy machine the second would else be the last chance of the product that the first was killed at.
            for done, worker in zip((2, 10), faults.random.sample(running.stack.workers, 2), strict=True):
                await some_have_ended(faults, "child", done)
                (await busy_child(worker)).kill()
            await faults.accounted("child", all_trained(PRODUCTS), witnesses, client)
        assert [worker.running for worker in running.stack.workers] == [True, True]

    running.run(scenario)


def test_a_gateway_that_is_killed_is_come_back_to_and_its_viewers_miss_nothing(running: Running) -> None:
    async def scenario(faults: Faults) -> None:
        async with kept_up(running.stack.gateways):
            client = await faults.start("gateway", PRODUCTS)
            async with faults.witnesses("gateway", each=3) as witnesses:
                for done, gateway in zip((2, 10), running.stack.gateways, strict=True):
                    await some_have_ended(faults, "gateway", done)
                    gateway.kill()
                    await back(gateway)
                await faults.accounted("gateway", all_trained(PRODUCTS), witnesses, client)
                assert any("contact lost" in note for witness in witnesses for note in witness.notes)

    running.run(scenario)


def test_a_product_that_kills_its_whole_worker_is_recorded_and_no_innocent_one_is(running: Running) -> None:
    innocent = [f"Brot {i}" for i in range(5)]

    async def scenario(faults: Faults) -> None:
        async with kept_up(running.stack.workers):
            client = await faults.start("killer", [*innocent[:2], "killer", *innocent[2:]], "kills_worker")
            async with faults.witnesses("killer") as witnesses:
                expected = Expected(frozenset(innocent), {"killer": "worker_lost"})
                await faults.accounted("killer", expected, witnesses, client)

    running.run(scenario)


def test_five_polite_restarts_of_the_only_worker_amid_slow_products_fail_none_and_count_for_none(running: Running) -> None:
    """Field case K09: a task given back unacknowledged would count as a delivery."""
    products = names(8, 0.8)

    async def scenario(faults: Faults) -> None:
        only, other = running.stack.workers
        await other.stop()
        client = await faults.start("polite", products)
        async with faults.witnesses("polite") as witnesses:
            for _ in range(5):
                await asyncio.sleep(1.2)
                assert await only.stop() == 0
                await only.start()
            await faults.accounted("polite", all_trained(products), witnesses, client)
        await other.start()
        assert await faults.depth(WorkQueue.DEAD_TASKS) == 0
        assert faults.at_service("repairs_total", kind="dead_letter") == 0

    running.run(scenario)
