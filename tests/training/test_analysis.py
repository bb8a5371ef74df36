"""Analysts with real children: what kills one, what stops one, and what it leaves to the others."""

import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.store.bookkeeper import spec
from tests.training.harness import ISSUER, sales_csv
from tests.training.parts import Parts, run

from levain_broker.memory import MemoryBroker
from levain_contracts.resources import DatasetRef
from levain_contracts.tasks import Series
from levain_training.analysis import Analyst
from levain_training.analysis_child import analyse
from levain_training.child import MAX_FRAME_BYTES
from levain_training.children import ChildPool
from levain_training.dataset_reader import DatasetReader, Reading
from levain_training.settings import Settings
from levain_training.store import datasets, jobs
from levain_training.store import engine as store_engine

SMALL = sales_csv(["Brot", "Brezel"])


@asynccontextmanager
async def analysts(parts: Parts, count: int = 1, lease_seconds: float = 30) -> AsyncIterator[tuple[ChildPool, list[Analyst]]]:
    """Running; cancelled at the end, as in a stop."""
    pool = ChildPool(max_children=count)
    reader = DatasetReader(parts.store, pool, Settings(database_url="", issuers=(ISSUER,)))
    made = [Analyst(parts.store, reader, parts.publisher, parts.dispatcher, parts.metrics, lease_seconds) for _ in range(count)]
    running = [asyncio.create_task(analyst.run()) for analyst in made]
    try:
        yield pool, made
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        await pool.close()
    assert all(task.cancelled() for task in running)


async def start(parts: Parts, job: str, body: bytes, tenant: str = "anna", **fields: Any) -> None:
    sha256 = hashlib.sha256(body).hexdigest()
    pieces = [body[i : i + datasets.PART_BYTES] for i in range(0, len(body), datasets.PART_BYTES)]
    await parts.store.write(datasets.add_version, tenant, job, sha256, len(body), lambda: pieces, time.time())
    columns = {"dataset_name": job, "dataset_version": 1, "dataset_sha256": sha256}
    await parts.store.write(jobs.create, tenant, job, spec(dataset=DatasetRef(name=job), **fields), columns, time.time())


async def state(parts: Parts, job: str, tenant: str = "anna") -> str:
    row = await parts.store.read(jobs.find, tenant, job)
    assert row is not None
    return str(row["state"])


async def wait_for(parts: Parts, job: str, wanted: str, tenant: str = "anna") -> None:
    async def reached() -> bool:
        return await state(parts, job, tenant) == wanted

    await parts.until(reached)


def send_to_children(pool: ChildPool, number: signal.Signals) -> None:
    for child in list(pool._leased):
        with suppress(ProcessLookupError):
            os.kill(child.pid, number)


async def hold_reading(pool: ChildPool) -> None:
    """The child that reads stands still, as long as it takes."""
    while not pool._leased:
        await asyncio.sleep(0.005)
    send_to_children(pool, signal.SIGSTOP)


def test_a_file_whose_reading_dies_twice_fails_its_job_and_the_analyst_goes_on(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await start(parts, "deadly", SMALL)
        async with analysts(parts) as (pool, _):
            while await state(parts, "deadly") != "failed":
                send_to_children(pool, signal.SIGKILL)
                await asyncio.sleep(0.02)
            row = await parts.row("deadly")
            assert (row["reason"], row["analyses"]) == ("analysis_failed", 3)
            await start(parts, "good", SMALL)
            await wait_for(parts, "good", "training")

    run(tmp_path, scenario)


def test_a_reading_that_dies_once_is_done_again(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await start(parts, "job", SMALL)
        async with analysts(parts) as (pool, _):
            await hold_reading(pool)
            send_to_children(pool, signal.SIGKILL)
            await wait_for(parts, "job", "training")
        assert (await parts.row())["analyses"] == 2

    run(tmp_path, scenario)


def test_a_job_whose_dataset_is_gone_fails_with_that_reason(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        columns = {"dataset_name": "sales", "dataset_version": 1, "dataset_sha256": "c" * 64}
        await parts.store.write(jobs.create, "anna", "job", spec(), columns, time.time())
        async with analysts(parts):
            await wait_for(parts, "job", "failed")
        assert (await parts.row())["reason"] == "dataset_deleted"

    run(tmp_path, scenario)


def test_a_stop_in_the_middle_gives_the_job_to_another_analyst_and_counts_as_no_try(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await start(parts, "job", SMALL)
        for _ in range(3):
            async with analysts(parts) as (pool, _):
                await hold_reading(pool)
            row = await parts.row()
            assert (row["state"], row["analyst"], row["analyses"]) == ("pending", None, 0)
        async with analysts(parts):
            await wait_for(parts, "job", "training")

    run(tmp_path, scenario)


def test_an_analyst_that_stops_while_the_store_is_away_ends_all_the_same(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await start(parts, "job", SMALL)
        with closing(sqlite3.connect(tmp_path / "levain.db", isolation_level=None)) as other:
            async with analysts(parts) as (pool, _):
                await hold_reading(pool)
                other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        assert await state(parts, "job") == "analysing"  # until its lease lapses

    run(tmp_path, scenario, busy_seconds=0.05)


def test_what_was_read_while_the_store_was_away_is_written_when_it_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_engine, "_RETRY_SECONDS", 0.02)

    async def scenario(parts: Parts) -> None:
        await start(parts, "job", SMALL)
        with closing(sqlite3.connect(tmp_path / "levain.db", isolation_level=None)) as other:
            async with analysts(parts, lease_seconds=0.3) as (pool, _):
                await hold_reading(pool)
                other.execute("BEGIN IMMEDIATE")
                send_to_children(pool, signal.SIGCONT)
                while pool._leased:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.2)
                other.execute("ROLLBACK")
                await wait_for(parts, "job", "training")
        assert (await parts.row())["analyses"] == 1

    run(tmp_path, scenario, busy_seconds=0.05)


class SlowlyTold(MemoryBroker):
    """Events take longer than an analyst's lease."""

    async def publish_event(self, topic: str, body: bytes) -> None:
        await asyncio.sleep(0.5)
        await super().publish_event(topic, body)


def test_an_analyst_that_is_slow_to_tell_of_its_end_tells_it_all_and_the_work_goes_out(tmp_path: Path) -> None:
    """Its end makes the job no longer its own, which the next renewal of the lease finds: that is to cut nothing off."""

    async def scenario(parts: Parts) -> None:
        await start(parts, "job", SMALL)
        dispatching = asyncio.create_task(parts.dispatcher.run())
        async with analysts(parts, lease_seconds=0.3), parts.taking_tasks() as tasks:
            async with asyncio.timeout(10):
                while sum(len(task.series) for task in tasks) < 2:
                    await asyncio.sleep(0.02)
        dispatching.cancel()
        assert [e.type.value for e in parts.events] == ["training.progress"]
        assert parts.repairs() == {}

    run(tmp_path, scenario, SlowlyTold())


def test_a_cancelled_job_ends_its_reading_and_frees_the_analyst(tmp_path: Path) -> None:

    async def scenario(parts: Parts) -> None:
        await start(parts, "large", SMALL)
        async with analysts(parts, lease_seconds=0.3) as (pool, _):
            await hold_reading(pool)
            await parts.store.write(jobs.cancel, "anna", "large", time.time())
            await start(parts, "small", SMALL)
            await wait_for(parts, "small", "training")
        assert await state(parts, "large") == "cancelled"
        assert (await parts.row("large"))["total_products"] is None

    run(tmp_path, scenario)


def test_a_large_file_of_one_tenant_holds_up_no_other_and_no_analyst_takes_two(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await start(parts, "large", SMALL, tenant="big")
        async with analysts(parts, count=2) as (pool, _):
            await hold_reading(pool)
            for job in ("one", "two"):
                await start(parts, job, SMALL)
                await wait_for(parts, job, "training")
                assert len(pool._leased) <= 2
            assert await state(parts, "large", "big") == "analysing"
            send_to_children(pool, signal.SIGCONT)
            await wait_for(parts, "large", "training", "big")

    run(tmp_path, scenario)


def test_one_analyst_reads_one_file_after_the_other(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        names = ("one", "two", "three")
        for job in names:
            await start(parts, job, SMALL)
        async with analysts(parts):
            states = [await state(parts, job) for job in names]
            while "pending" in states or "analysing" in states:
                assert states.count("analysing") <= 1
                await asyncio.sleep(0.005)
                states = [await state(parts, job) for job in names]
        assert states == ["training"] * 3

    run(tmp_path, scenario)


def test_what_a_reading_says_comes_in_messages_of_a_bounded_size(tmp_path: Path) -> None:
    """Receipt numbers taken for products: 100,000 of them in one message would be more than a frame holds, and end the reader."""
    path = tmp_path / "receipts.csv"
    path.write_text("date,product,quantity\n" + "".join(f"2024-01-{1 + n % 28:02},Beleg {n},1\n" for n in range(2500)))
    messages: list[bytes] = []
    analyse(json.dumps({"path": str(path), "reading": {}, "products": None}).encode(), messages.append)
    said = [json.loads(message) for message in messages]
    assert [len(s["skipped"]) for s in said if "skipped" in s][:2] == [1000, 1000]
    assert max(len(s.get("skipped", ())) for s in said) == 1000
    assert list(said[-1]) == ["done"]
    assert len(messages[-1]) < 10_000


def test_series_and_calendars_come_in_few_messages_that_a_frame_holds(tmp_path: Path) -> None:
    """700 shops of one product: each has a closed day a week, and the public holidays of two years."""
    path = tmp_path / "shops.csv"
    days = [date(2022, 1, 3) + timedelta(days=i) for i in range(730) if i % 7]
    lines = (f"{day},Brot,Laden {shop},{shop + day.day}\n" for day in days for shop in range(700))
    path.write_text("date,product,shop,quantity\n" + "".join(lines))
    messages: list[bytes] = []
    analyse(json.dumps({"path": str(path), "reading": {}, "products": None, "country": "DE"}).encode(), messages.append)
    reading = Reading()
    for message in messages:
        reading.take(message)
    assert len(reading.series) == len(reading.calendars) == 700
    assert {len(one.closed) for one in reading.calendars} == {104}
    assert max(map(len, messages)) < MAX_FRAME_BYTES / 8
    assert len(messages) < 20
    shops = [Series.model_validate_json(one.series).shop for one in reading.series]
    assert shops == [one.shop for one in reading.calendars]
