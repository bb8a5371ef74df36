"""Job -> analysis -> products: a replica claims a job, has its dataset read in a child process and stores what came of it."""

import asyncio
import json
import logging
import secrets
import time
from contextlib import suppress
from datetime import date
from typing import Any

import sqlalchemy as sa

from levain_contracts.report import DataReport
from levain_contracts.resources import JobSpec
from levain_logs import bound
from levain_training.children import ChildDied, ChildSilent
from levain_training.dataset_reader import Around, DatasetReader, Reading, Source
from levain_training.dispatcher import Dispatcher
from levain_training.metrics import Metrics
from levain_training.publisher import EventPublisher
from levain_training.store import analyses, datasets
from levain_training.store.analyses import Analysis
from levain_training.store.engine import Store, StoreUnavailable, when_back

log = logging.getLogger(__name__)

_POLL_SECONDS = 2.0
# A file that ends its reader twice would end it for ever.
_MAX_ANALYSES = 2


class Analyst:
    """One job at a time; `wake` says that there may be one. Several analysts, here or in other replicas, share the work."""

    def __init__(
        self,
        store: Store,
        reader: DatasetReader,
        publisher: EventPublisher,
        dispatcher: Dispatcher,
        metrics: Metrics,
        lease_seconds: float,
    ) -> None:
        self._store = store
        self._reader = reader
        self._publisher = publisher
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._lease_seconds = lease_seconds
        self._name = secrets.token_hex(8)
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            self._wake.clear()
            try:
                while await self.analyse_one():
                    pass
            except StoreUnavailable as error:
                log.warning("no job claimed", extra={"error": str(error)})
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._wake.wait()

    async def analyse_one(self) -> bool:
        """False where no job waits."""
        claimed = await self._store.write(analyses.claim, self._name, time.time(), self._lease_seconds)
        if claimed is None:
            return False
        row = claimed.row
        with bound(tenant_id=row["tenant_id"], job_id=row["job_id"], request_id=row["request_id"]):
            await self._analyse_claimed(claimed)
        return True

    async def _analyse_claimed(self, claimed: analyses.Claimed) -> None:
        row = claimed.row
        if claimed.taken_over:
            self._metrics.repaired("analyst_died")
        try:
            await self._analyse(row)
        except BaseException as error:
            counts = not isinstance(error, asyncio.CancelledError)
            with suppress(StoreUnavailable):  # then its lease lapses
                await asyncio.shield(self._store.write(analyses.give_back, row, self._name, time.time(), counts=counts))
            raise

    async def _analyse(self, row: sa.RowMapping) -> None:
        """A store that is away only delays it: the lease may lapse meanwhile, and then the writes change nothing."""
        if row["analyses"] > _MAX_ANALYSES:
            await self._fail(row, "analysis_failed", "the reading of the dataset died twice: the file may be damaged or too large")
            return
        reading = asyncio.create_task(self._read(row))
        holding = asyncio.create_task(self._hold(row, reading))
        try:
            await asyncio.wait({reading})
            if not reading.cancelled():
                await self._conclude(row, reading)
        finally:
            reading.cancel()
            holding.cancel()
            await asyncio.wait({reading, holding})

    async def _hold(self, row: sa.RowMapping, reading: asyncio.Task[Any]) -> None:
        """Renews the lease, and ends the reading when the job is no longer ours.

        Only the reading: what comes after it makes the job no longer ours too, by its first write, and has to tell of that write.
        """
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            if not await self._renewed(row):
                reading.cancel()
                return

    async def _renewed(self, row: sa.RowMapping) -> bool:
        try:
            return await self._store.write(analyses.renew, row, self._name, time.time() + self._lease_seconds)
        except StoreUnavailable as error:
            log.warning("lease not renewed", extra={"error": str(error)})
            return True

    async def _conclude(self, row: sa.RowMapping, read: "asyncio.Task[Reading | None]") -> None:
        try:
            reading = read.result()
        except (ChildDied, ChildSilent) as error:
            log.warning("analysis died", extra={"error": str(error)})
            await when_back(lambda: self._store.write(analyses.give_back, row, self._name, time.time(), counts=True))
            return
        if reading is None:
            await self._fail(row, "dataset_deleted", "the dataset, or the calendar, was deleted before it was read")
        elif reading.refused is not None:
            await self._fail(row, reading.refused["reason"], reading.refused["message"])
        elif reading.done is None:
            await self._fail(row, "analysis_failed", "the process that reads the dataset ended without an answer")
        else:
            await self._finish(row, reading, reading.done)

    async def _read(self, row: sa.RowMapping) -> Reading | None:
        spec = JobSpec.model_validate_json(row["spec"])
        source = Source(row["tenant_id"], spec.dataset, row["dataset_sha256"])
        around = Around(spec.horizon_days, spec.country, spec.subdivision)
        if (name := spec.calendar) is not None:
            calendar = await when_back(lambda: self._store.read(datasets.latest, row["tenant_id"], name))
            if calendar is None:
                return None
            around = around._replace(calendar_sha256=calendar.sha256)
        return await self._reader.read(source, spec.reading, spec.products, around)

    async def _finish(self, row: sa.RowMapping, reading: Reading, done: dict[str, Any]) -> None:
        report = DataReport.model_validate_json(json.dumps(done["report"]))
        report = report.model_copy(
            update={
                "dataset": row["dataset_name"],
                "dataset_version": row["dataset_version"],
                "sha256": done["sha256"],
                "notes": (*report.notes, *await self._compare(row, done["sha256"], report.last_date))[:20],
            }
        )
        analysis = Analysis(
            sha256=done["sha256"],
            report=report,
            series=reading.series,
            calendars=reading.calendars,
            skipped=reading.skipped,
            forecast_start=date.fromisoformat(done["forecast_start"]),
        )
        step = await when_back(lambda: self._store.write(analyses.finish, row, self._name, analysis, time.time()))
        if step is not None:
            await self._publisher.publish_step(step.events)
            self._dispatcher.room_for(row["tenant_id"], row["job_id"])

    async def _compare(self, row: sa.RowMapping, sha256: str, last_date: date | None) -> list[str]:
        """Says it when there is nothing new to learn from since the last training."""
        if row["dataset_name"] is None:
            return []
        before = await when_back(lambda: self._store.read(analyses.last_trained, row))
        if before is None or before["report"] is None:
            return []
        known = DataReport.model_validate_json(before["report"]).last_date
        if before["dataset_sha256"] != sha256 and (known is None or last_date is None or last_date > known):
            return []
        return [f"no new sales since the last training (job {before['job_id']}, sales up to {known})"]

    async def _fail(self, row: sa.RowMapping, reason: str, message: str) -> None:
        step = await when_back(lambda: self._store.write(analyses.fail, row, self._name, reason, message, time.time()))
        if step is not None:
            await self._publisher.publish_step(step.events)
