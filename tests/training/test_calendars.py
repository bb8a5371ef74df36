"""A job's country and calendar, from the request to the tasks of its workers."""

import asyncio
import hashlib
import time
from datetime import date
from pathlib import Path
from typing import Any

from tests.store.bookkeeper import spec
from tests.training.harness import Stack, sales_csv
from tests.training.harness import run as run_stack
from tests.training.parts import Parts, run
from tests.training.test_analysis import analysts

from levain_contracts.resources import DatasetRef
from levain_training.store import datasets, jobs

SALES = sales_csv(["Brot", "Brezel"])
CALENDAR = b"date,status,label\n2024-05-02,closed,Betriebsferien\n2024-05-05,open,\n"


async def add(parts: Parts, name: str, body: bytes) -> str:
    sha256 = hashlib.sha256(body).hexdigest()
    await parts.store.write(datasets.add_version, "anna", name, sha256, len(body), lambda: [body], time.time())
    return sha256


def test_the_workers_get_the_days_that_a_job_gives_and_its_public_holidays(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        columns = {"dataset_name": "sales", "dataset_version": 1, "dataset_sha256": await add(parts, "sales", SALES)}
        await add(parts, "days", CALENDAR)
        asked = spec(dataset=DatasetRef(name="sales"), country="DE", subdivision="BY", calendar="days")
        await parts.store.write(jobs.create, "anna", "job", asked, columns, time.time())
        dispatching = asyncio.create_task(parts.dispatcher.run())
        async with analysts(parts), parts.taking_tasks() as tasks, asyncio.timeout(20):
            while not tasks:
                await asyncio.sleep(0.02)
        dispatching.cancel()
        (calendar,) = tasks[0].calendars
        assert (calendar.given_closed, calendar.given_open) == ([date(2024, 5, 2)], [date(2024, 5, 5)])
        marked = {day.date: day.label for day in calendar.holidays}
        assert {date(2024, 1, 1), date(2024, 1, 6), date(2024, 5, 1)} < marked.keys()
        assert marked[date(2024, 5, 2)] == "Betriebsferien"

    run(tmp_path, scenario)


def test_what_is_wrong_with_a_country_or_a_calendar_is_said_at_once_or_as_the_jobs_reason(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(SALES)
        await client.upload(b"date,status\n2024-05-02,perhaps\n", name="days")
        for more, status, code, field in (
            ({"calendar": "none"}, 404, "unknown_dataset", "calendar"),
            ({"subdivision": "BY"}, 422, "invalid_request", "body"),
            ({"country": "Germany"}, 422, "invalid_request", "country"),
            ({"reading": {"cutOverHour": 13}}, 422, "invalid_request", "reading.cutOverHour"),
            ({"reading": {"layout": "tall"}}, 422, "invalid_request", "reading.layout"),
        ):
            answer: tuple[int, Any] = await client.ask("PUT", "/jobs/job", json={"dataset": {"name": "sales"}, **more})
            assert (answer[0], answer[1]["code"]) == (status, code), answer
            assert field in [e["field"] for e in answer[1]["errors"]], answer
        for job, spoken, reason, told in (
            ("country", {"country": "XX"}, "unknown_country", "'XX'"),
            ("part", {"country": "DE", "subdivision": "BX"}, "unknown_subdivision", "BY"),
            ("calendar", {"calendar": "days"}, "bad_calendar", "'perhaps' on line 2"),
            ("zone", {"reading": {"timeZone": "Europe/Pariss"}}, "unknown_time_zone", "Europe/Paris"),
        ):
            await client.start(job, "instant", **spoken)
            ended = await client.ended(job)
            assert (ended["state"], ended["reason"], told in ended["message"]) == ("failed", reason, True), ended

    run_stack(scenario, tmp_path)


def test_a_calendar_that_is_deleted_before_it_is_read_fails_its_job_with_that_reason(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        columns = {"dataset_name": "sales", "dataset_version": 1, "dataset_sha256": await add(parts, "sales", SALES)}
        asked = spec(dataset=DatasetRef(name="sales"), calendar="days")
        await parts.store.write(jobs.create, "anna", "job", asked, columns, time.time())
        async with analysts(parts):

            async def failed() -> bool:
                return bool((await parts.row())["state"] == "failed")

            await parts.until(failed)
        assert (await parts.row())["reason"] == "dataset_deleted"

    run(tmp_path, scenario)
