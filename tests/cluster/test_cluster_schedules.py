"""TrainingSchedules: one job for each time, whatever the clock and the operator do."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cluster.clocked import CLOCK
from tests.cluster.kit import SCHEDULES, Json, Kit, has_ended, schedule, state, until

from levain.scaled.member import Member

pytestmark = [pytest.mark.cluster, pytest.mark.servers, pytest.mark.timeout(120)]

OnCluster = Callable[..., None]


class Clock:
    """It begins as the API server's, which tells when a schedule was made."""

    def __init__(self, file: Path) -> None:
        self._file, self._ahead = file, 0.0
        self.set()

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def set(self, seconds: float = 0.0) -> None:
        """Forward, or back."""
        self._ahead += seconds
        unfinished = self._file.with_suffix(".new")
        unfinished.write_text(str(self._ahead))
        unfinished.replace(self._file)

    @staticmethod
    async def early_in_a_minute() -> None:
        """No minute ends by itself while a scenario begins."""
        while datetime.now(UTC).second > 35:
            await asyncio.sleep(0.5)

    def operator(self, kit: Kit) -> AbstractAsyncContextManager[Member]:
        return kit.operator(command=("-m", "tests.cluster.clocked"), **{CLOCK: str(self._file)})


async def names(kit: Kit) -> list[str]:
    return sorted(body["metadata"]["name"] for body in await kit.list())


async def until_count(kit: Kit, count: int) -> list[str]:
    async def has() -> bool:
        return len(await kit.list()) == count

    await until(has, 25)
    return await names(kit)


def name_at(time: datetime) -> str:
    return f"nightly-{time:%Y%m%d%H%M}"


async def read(kit: Kit) -> Json:
    body = await kit.get("nightly", plural=SCHEDULES)
    assert body is not None
    return body


def test_each_time_has_one_job_over_restarts_and_a_clock_that_jumps(on_cluster: OnCluster, tmp_path: Path) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(["Brot"])
        clock = Clock(tmp_path / "clock")
        await clock.early_in_a_minute()
        async with clock.operator(kit):
            await kit.make(schedule("nightly", successfulJobsHistoryLimit=10))
            await asyncio.sleep(2)
            assert await names(kit) == []
            clock.set(60)
            first = name_at(clock.now())
            assert await until_count(kit, 1) == [first]
            await kit.ended(first)
        async with clock.operator(kit):
            await asyncio.sleep(2)
            assert await names(kit) == [first]
            clock.set(-120)
            await asyncio.sleep(12)  # it looks at a schedule at least every 10 s
            assert await names(kit) == [first]
            clock.set(300)
            second = name_at(clock.now())
            assert await until_count(kit, 2) == [first, second]  # the times between were missed, and the newest is made up for
            body = await read(kit)
            assert body["status"]["lastScheduleTime"] == clock.now().replace(second=0, microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")
            child = await kit.ended(second)
            (owner,) = child["metadata"]["ownerReferences"]
            assert (owner["kind"], owner["name"], owner["uid"]) == ("TrainingSchedule", "nightly", body["metadata"]["uid"])

    on_cluster(scenario)


def test_history_keeps_the_newest_and_deletes_the_rest(on_cluster: OnCluster, tmp_path: Path) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(["Brot"])
        clock = Clock(tmp_path / "clock")
        await clock.early_in_a_minute()
        made = []
        async with clock.operator(kit):
            await kit.make(schedule("nightly", successfulJobsHistoryLimit=2))
            await asyncio.sleep(1)
            for _ in range(4):
                clock.set(60)
                made.append(name_at(clock.now()))
                await kit.wait(made[-1], has_ended)

            async def two_are_left() -> bool:
                return await names(kit) == made[-2:]

            await until(two_are_left, 20)

    on_cluster(scenario)


def test_a_time_waits_for_the_job_before_it_unless_it_may_replace_it(on_cluster: OnCluster, tmp_path: Path) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload([f"Brot {i} 1s" for i in range(60)])
        clock = Clock(tmp_path / "clock")
        await clock.early_in_a_minute()
        async with clock.operator(kit):
            await kit.make(schedule("nightly", model="slow", concurrencyPolicy="Forbid"))
            await asyncio.sleep(1)
            clock.set(60)
            first = name_at(clock.now())
            await until_count(kit, 1)
            running = await kit.wait(first, lambda body: state(body) == "Running")
            clock.set(60)

            async def waits() -> bool:
                return "WaitingForPredecessor" in str((await read(kit)).get("status"))

            await until(waits, 15)
            assert await names(kit) == [first]
            await kit.edit("nightly", {"concurrencyPolicy": "Replace"}, plural=SCHEDULES)

            async def is_replaced() -> bool:
                found = await names(kit)
                return len(found) == 1 and found != [first]

            await until(is_replaced, 15)
            await kit.until_stored(running, lambda stored: bool(stored["state"] == "cancelled"), 15)

    on_cluster(scenario)


def test_a_schedule_that_is_deleted_takes_its_jobs_along_and_one_that_is_suspended_makes_none(
    on_cluster: OnCluster, tmp_path: Path
) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(["Brot"])
        clock = Clock(tmp_path / "clock")
        await clock.early_in_a_minute()
        async with clock.operator(kit):
            await kit.make(schedule("nightly"))
            await asyncio.sleep(1)
            clock.set(60)
            (first,) = await until_count(kit, 1)
            await kit.wait(first, has_ended)
            await kit.edit("nightly", {"suspend": True}, plural=SCHEDULES)
            await asyncio.sleep(1)
            clock.set(60)
            await asyncio.sleep(11)
            assert await names(kit) == [first]
            await kit.delete("nightly", plural=SCHEDULES)
            await until_count(kit, 0)  # by the garbage collector

    on_cluster(scenario)
