"""What a rolling update does: processes are asked to end under their viewers, and the schema grows under the code."""

import asyncio
from collections import Counter

import pytest
from tests.e2e.whole import until
from tests.processes.conftest import Running
from tests.processes.kit import HEAL_SECONDS, Faults, all_trained, back, kept_up, names
from tests.processes.screen import Screen

from levain.scaled.member import Member
from levain.scaled.postgres import Postgres

# The two hundred take half a minute on a quiet machine of two cores.
pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]

VIEWERS = 200
EVENTS_PER_SECOND = 50


@pytest.mark.parametrize("role", ["replica", "gateway"])
def test_two_hundred_viewers_are_sent_away_politely_and_are_equal_soon_after(running: Running, role: str) -> None:
    products = names(600, 2 / EVENTS_PER_SECOND)  # by two workers
    job_id = f"polite-{role}"

    async def scenario(faults: Faults) -> None:
        members = running.stack.replicas if role == "replica" else running.stack.gateways
        client = await faults.start(job_id, products)
        screens = [Screen(faults.client(port=faults.ports[i % 2])) for i in range(VIEWERS)]
        watching = [asyncio.create_task(screen.watch(job_id)) for screen in screens]
        async with faults.witnesses(job_id) as witnesses:
            await until(lambda: faults.open_sockets[1] >= VIEWERS + len(witnesses), 20)
            await client.wait_for(job_id, lambda job: job["products_completed"] >= 40)
            assert await _restarted(members[0]) == 0
            ends = {asyncio.create_task(witness.end()) for witness in witnesses}
            await asyncio.wait(ends)
            async with asyncio.timeout(HEAL_SECONDS):
                await asyncio.gather(*watching)
            await faults.accounted(job_id, all_trained(products), witnesses, client)
        codes = Counter(code for screen in screens for code in screen.codes)
        print(f"{role}: {dict(codes)}")
        assert codes[1006] == 0
        assert codes[1000] == VIEWERS
        assert codes[1012] >= VIEWERS // 2
        assert len({screen.last for screen in screens}) == 1

    running.run(scenario)


async def _restarted(member: Member) -> int:
    code = await member.stop()
    await member.start()
    return code


NEXT_SCHEMA = """
ALTER TABLE jobs ADD COLUMN colour TEXT NOT NULL DEFAULT 'brown';
ALTER TABLE products ADD COLUMN price DOUBLE PRECISION;
ALTER TABLE batches ADD COLUMN worker TEXT;
CREATE TABLE ovens (tenant_id VARCHAR(63) PRIMARY KEY, heat INTEGER NOT NULL);
CREATE INDEX ix_products_price ON products (price);
UPDATE alembic_version SET version_num = '9999';
"""


def test_a_job_runs_on_while_the_schema_becomes_the_next_versions_and_replicas_restart_on_it(running: Running, postgres: Postgres) -> None:
    products = names(30, 0.2)

    async def scenario(faults: Faults) -> None:
        client = await faults.start("schema", products)
        async with faults.witnesses("schema") as witnesses, kept_up(running.stack.replicas):
            await client.wait_for("schema", lambda job: job["products_completed"] >= 3)
            database = running.database_url.rpartition("/")[2]
            await asyncio.to_thread(postgres.query, NEXT_SCHEMA, database)
            for replica in running.stack.replicas:
                await replica.stop()
                await back(replica)
            await faults.accounted("schema", all_trained(products), witnesses, client)
        again = await faults.start("after", products[:4], "instant")
        assert (await again.ended("after"))["state"] == "completed"

    running.run(scenario)
