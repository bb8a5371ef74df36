"""The database goes away in each of its ways in the middle of a job: results wait, nothing fails, and REST says so at once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url
from tests.processes.conftest import Running
from tests.processes.healing import Trial, trial
from tests.processes.kit import Faults, names

from levain.scaled.postgres import Postgres

pytestmark = pytest.mark.servers

AWAY_SECONDS = 30.0
SHORTER_SECONDS = 8.0  # where more would show nothing more
PRODUCTS = names(40, 0.3)
ANSWER_SECONDS = 25.0  # for a thread, then for a server that is silent, then for a new connection
REQUESTS = [
    ("GET", "/jobs/{job}", None),
    ("PUT", "/jobs/{job}-other", {"dataset": {"name": "sales"}, "model": "instant"}),
    ("POST", "/jobs/{job}/cancel", None),
]


async def is_told(it: Trial, seconds: float) -> None:
    """Every request, at both gateways, for so long: 503 problem+json."""
    slowest, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        for port in it.faults.ports:
            for answer in await asyncio.gather(*(asked(it, port, *request) for request in REQUESTS)):
                slowest = max(slowest, answer)
        await asyncio.sleep(0.5)
    print(f"{it.job_id}: 503 after at most {slowest:.1f} s")


async def asked(it: Trial, port: int, method: str, path: str, body: Any) -> float:
    began = time.monotonic()
    client = it.faults.client(port=port)
    async with it.faults.session.request(method, client.base + path.format(job=it.job_id), headers=client.headers, json=body) as answer:
        assert answer.status == 503, await answer.text()
        assert answer.content_type == "application/problem+json"
        assert (await answer.json())["code"] == "store_unavailable"
    seconds = time.monotonic() - began
    assert seconds < ANSWER_SECONDS
    return seconds


@asynccontextmanager
async def locked(url: str, table: str) -> AsyncIterator[None]:
    """A session that has the table for itself, as a careless migration would."""
    async with await psycopg.AsyncConnection.connect(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    ) as one:
        await one.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


async def back(it: Trial, running: Running) -> None:
    it.is_back()
    await it.level(running.stack.replicas)
    assert [await worker.problems() for worker in running.stack.workers] == [[], []]
    await it.goes_on()


def test_a_database_that_is_stopped_and_started_again_loses_no_result(running: Running, postgres: Postgres) -> None:
    async def scenario(faults: Faults) -> None:
        async with trial(faults, "stopped", PRODUCTS) as it:
            await it.some_have_ended()
            await asyncio.to_thread(postgres.stop)
            await it.not_ready(running.stack.replicas, 5, "database")
            await is_told(it, AWAY_SECONDS)
            postgres.launch()  # on this thread, whose end would end it
            await asyncio.to_thread(postgres.wait)
            await back(it, running)

    running.run(scenario)


def test_a_database_that_is_killed_loses_nothing_that_was_said_to_be_stored(running: Running, postgres: Postgres) -> None:
    async def scenario(faults: Faults) -> None:
        async with trial(faults, "killed", PRODUCTS) as it:
            await it.some_have_ended()
            postgres.kill()
            postgres.launch()
            await asyncio.to_thread(postgres.wait)
            await back(it, running)

    running.run(scenario)


def test_a_database_that_answers_nothing_and_closes_nothing_is_said_to_be_away(running: Running) -> None:
    async def scenario(faults: Faults) -> None:
        async with trial(faults, "silent", PRODUCTS) as it:
            await it.some_have_ended()
            running.database.black_hole()
            try:
                await it.not_ready(running.stack.replicas, 5, "database")
                await is_told(it, SHORTER_SECONDS)
            finally:
                running.database.mend()
            await back(it, running)

    running.run(scenario)


def test_links_to_the_database_that_are_half_open_are_left_for_new_ones(running: Running) -> None:
    async def scenario(faults: Faults) -> None:
        async with trial(faults, "half-open", PRODUCTS) as it:
            await it.some_have_ended()
            running.database.half_open()
            # Whether anybody is seen as not ready depends on who meets a dead link first: a probe, or the work, which replaces it.
            # A link is dead once it has been silent for as long as a slow answer may take.
            it.is_back()
            await it.level(running.stack.replicas, seconds=ANSWER_SECONDS)
            await back(it, running)

    running.run(scenario)


def test_a_table_that_is_locked_is_waited_for(running: Running) -> None:
    async def scenario(faults: Faults) -> None:
        async with trial(faults, "locked", PRODUCTS) as it:
            await it.some_have_ended()
            async with locked(running.database_url, "jobs"):
                await is_told(it, SHORTER_SECONDS)
            await back(it, running)

    running.run(scenario)
