"""A job's analysis: claimed under a lease, and written in one transaction when it is done."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from levain_contracts.events import AnalysisData, Event
from levain_contracts.jobs import JobState, ProductState, move
from levain_contracts.model import clip
from levain_contracts.progress import progress
from levain_contracts.report import DataReport
from levain_contracts.tasks import MAX_BATCH_BYTES, MAX_BATCH_PRODUCTS, FailedProduct, ShopCalendar
from levain_training.failures import SKIPPED
from levain_training.store import datasets, jobs
from levain_training.store.batches import TASK_BYTES
from levain_training.store.clock import at
from levain_training.store.parts import Piece, Room, cut
from levain_training.store.products import insert
from levain_training.store.results import end_products
from levain_training.store.tables import calendars
from levain_training.store.tables import jobs as table


class SkippedProduct(NamedTuple):
    product_id: str
    product: str
    shop: str | None
    reason: str


class Prepared(NamedTuple):
    """One product's series as the JSON text of a `Series`: it was validated where it was made and is only carried here."""

    product_id: str
    product: str
    shop: str | None
    series: str


class Analysis(NamedTuple):
    """What the reading of a dataset gave."""

    sha256: str
    report: DataReport
    series: Sequence[Prepared]
    calendars: Sequence[ShopCalendar]
    skipped: Sequence[SkippedProduct]
    forecast_start: date


class Claimed(NamedTuple):
    """`taken_over`: its analyst had died, or was so slow that its lease lapsed."""

    row: sa.RowMapping
    taken_over: bool


def claim(connection: sa.Connection, analyst: str, now: float, lease_seconds: float) -> Claimed | None:
    """The oldest job that waits, or whose analyst's lease has lapsed, now leased to `analyst`."""
    waits = table.c.state == JobState.PENDING.value
    lapsed = (table.c.state == JobState.ANALYSING.value) & (table.c.analysis_until < now)
    oldest = (
        sa.select(table.c.tenant_id, table.c.job_id)
        .where((waits | lapsed) & table.c.suspended.is_(False) & table.c.spec.is_not(None))
        .order_by(table.c.analyses, table.c.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    found = connection.execute(oldest).first()
    if found is None:
        return None
    row = jobs.lock(connection, found[0], found[1])
    assert row is not None
    values = {"state": JobState.ANALYSING.value, "analyst": analyst, "analysis_until": now + lease_seconds, "analyses": row["analyses"] + 1}
    changed = jobs.change(connection, row, now, started_at=row["started_at"] or now, **values)
    return Claimed(changed, row["state"] == JobState.ANALYSING)


def renew(connection: sa.Connection, row: sa.RowMapping, analyst: str, lease_until: float) -> bool:
    """False where the job is no longer this analyst's: stop the work on it."""
    mine = jobs.key(row["tenant_id"], row["job_id"]) & (table.c.analyst == analyst) & (table.c.state == JobState.ANALYSING.value)
    return connection.execute(sa.update(table).where(mine).values(analysis_until=lease_until)).rowcount == 1


def give_back(connection: sa.Connection, row: sa.RowMapping, analyst: str, now: float, *, counts: bool) -> None:
    """The job waits again, for another analyst. `counts`: it was tried, and not only put off by a stop."""
    locked = _mine(connection, row, analyst)
    if locked is not None:
        state = move(JobState(locked["state"]), JobState.PENDING)
        tries = locked["analyses"] - (not counts)
        jobs.change(connection, locked, now, state=state.value, analyst=None, analysis_until=None, analyses=tries)


def finish(connection: sa.Connection, row: sa.RowMapping, analyst: str, done: Analysis, now: float) -> jobs.Step | None:
    """Writes the products and the report; the products that can't be trained end at once. None where the job was taken away."""
    locked = _mine(connection, row, analyst)
    if locked is None:
        return None
    total = len(done.series) + len(done.skipped)
    insert(connection, _rows(locked, done))
    _keep_calendars(connection, locked, done.calendars)
    seq = locked["seq"] + 1
    locked = jobs.change(
        connection,
        locked,
        now,
        state=move(JobState(locked["state"]), JobState.TRAINING).value,
        seq=seq,
        analysed_seq=seq,
        total_products=total,
        report=done.report.model_dump_json(),
        dataset_sha256=done.sha256,
        forecast_start=done.forecast_start.isoformat(),
        analyst=None,
        analysis_until=None,
    )
    datasets.release(connection, row)
    analysed = analysis_event(locked, now)
    ends = [({"product": s.product, "shop": s.shop}, _failed(s)) for s in done.skipped]
    step, _ = end_products(connection, locked, ends, now)  # type: ignore[arg-type]  # a dict reads like a row
    return jobs.Step(step.row, (analysed, *step.events))


def _keep_calendars(connection: sa.Connection, row: sa.RowMapping, of_shops: Sequence[ShopCalendar]) -> None:
    job = {"tenant_id": row["tenant_id"], "job_id": row["job_id"]}
    kept = [job | {"shop": c.shop or "", "calendar": c.model_dump_json()} for c in of_shops]
    if kept:
        connection.execute(calendars.insert(), kept)


def analysis_event(row: sa.RowMapping, now: float) -> Event:
    data = AnalysisData(total_products=row["total_products"], report=DataReport.model_validate_json(row["report"]))
    return Event(row["tenant_id"], row["job_id"], row["analysed_seq"], at(now), progress(0, row["total_products"]), data)


def fail(connection: sa.Connection, row: sa.RowMapping, analyst: str, reason: str, message: str, now: float) -> jobs.Step | None:
    locked = _mine(connection, row, analyst)
    return None if locked is None else jobs.end(connection, locked, JobState.FAILED, now, reason, message)


def last_trained(connection: sa.Connection, row: sa.RowMapping) -> sa.RowMapping | None:
    """The last completed job on the dataset of this name."""
    query = sa.select(table).where(
        table.c.tenant_id == row["tenant_id"],
        table.c.dataset_name == row["dataset_name"],
        table.c.state == JobState.COMPLETED.value,
        table.c.job_id != row["job_id"],
    )
    return connection.execute(query.order_by(table.c.ended_at.desc()).limit(1)).mappings().first()


def _mine(connection: sa.Connection, row: sa.RowMapping, analyst: str) -> sa.RowMapping | None:
    locked = jobs.lock(connection, row["tenant_id"], row["job_id"])
    if locked is None or locked["analyst"] != analyst or locked["state"] != JobState.ANALYSING:
        return None
    return locked


def _failed(skipped: SkippedProduct) -> FailedProduct:
    message = SKIPPED.get(skipped.reason, skipped.reason)
    return FailedProduct(product_id=skipped.product_id, reason=skipped.reason, message=clip(message))


def _parts(done: Analysis) -> dict[str, int]:
    calendar_bytes = {c.shop or "": len(c.model_dump_json().encode()) + 1 for c in done.calendars}
    pieces = (Piece(s.shop or "", s.product_id, len(s.series.encode()) + 1) for s in done.series)
    return cut(pieces, calendar_bytes, Room(MAX_BATCH_PRODUCTS, MAX_BATCH_BYTES - TASK_BYTES))


def _rows(row: sa.RowMapping, done: Analysis) -> list[dict[str, object]]:
    part_of = _parts(done)
    job = {"tenant_id": row["tenant_id"], "job_id": row["job_id"], "status": ProductState.PENDING.value, "alone": False}
    known: list[tuple[str, str, str | None, str | None]] = list(done.series)
    known += [(s.product_id, s.product, s.shop, None) for s in done.skipped]
    known.sort(key=lambda p: (p[2] or "", p[1]))
    return [
        job | {"product_id": p[0], "position": i, "product": p[1], "shop": p[2], "series": p[3], "part": part_of.get(p[0])}
        for i, p in enumerate(known, start=1)
    ]
