"""A replica is killed between any two of its writes: the job ends, every product once, and every viewer equal to the store."""

import asyncio

import pytest
from tests.processes.conftest import Running
from tests.processes.kit import Faults, all_trained, kept_up, names

pytestmark = pytest.mark.servers

PRODUCTS = names(6, 0.1)
# Every write of a replica in the life of a job, in about their order.
MOMENTS = [
    "before create",
    "after create",
    "after publish training.started",
    "after claim",
    "before finish",
    "after finish",
    "after publish training.progress",
    "after take",
    "before send training.tasks",
    "after send training.tasks",
    "after hold",
    "before record",
    "after record",
    "after publish training.product.completed",
    "before ack training.results",
    "after ack training.results",
    "before publish training.completed",
    "after publish training.completed",
    "after mark_published",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_replica_that_is_killed_between_two_writes_loses_doubles_and_invents_nothing(running: Running, moment: str) -> None:
    async def scenario(faults: Faults) -> None:
        job_id = moment.replace(" ", "-").replace(".", "-").replace("_", "-")
        async with kept_up(running.stack.replicas):
            before = sum(replica.restarts for replica in running.stack.replicas)
            running.dies_at.write_text(moment)
            client = await faults.start(job_id, PRODUCTS)
            async with faults.witnesses(job_id) as witnesses:
                await asyncio.gather(*(witness.end() for witness in witnesses))
                await faults.accounted(job_id, all_trained(PRODUCTS), witnesses, client)
            while running.dies_at.exists():  # its last writes come after the end
                await asyncio.sleep(0.05)
            while sum(replica.restarts for replica in running.stack.replicas) == before:
                await asyncio.sleep(0.02)

    running.run(scenario)
