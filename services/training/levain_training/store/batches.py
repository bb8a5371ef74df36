"""What is out and what goes out next: at most W batches of a job at once, each with a lease."""

import json
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

from levain_contracts.jobs import JobState, ProductState
from levain_contracts.resources import JobSpec
from levain_contracts.tasks import MAX_BATCH_BYTES, MAX_BATCH_PRODUCTS, Series, ShopCalendar, TrainingTask
from levain_training.store import jobs
from levain_training.store.products import of_job
from levain_training.store.tables import batches, products
from levain_training.store.tables import jobs as table

_PENDING = ProductState.PENDING.value


class Taste(NamedTuple):
    """How the job's trainer likes its batches."""

    by_shop: bool
    products_per_batch: int


def take(
    connection: sa.Connection, tenant_id: str, job_id: str, taste: Taste, max_out: int, now: float, lease_seconds: float
) -> list[TrainingTask]:
    """The next tasks of a job, marked as out. Call it again when some come back. Empty where nothing may go out."""
    row = jobs.lock(connection, tenant_id, job_id)
    if row is None or row["state"] != JobState.TRAINING or row["suspended"]:
        return []
    out = connection.execute(sa.select(sa.func.count()).select_from(batches).where(*_of_job(row))).scalar_one()
    tasks = []
    for _ in range(max_out - out):
        chosen = _next_products(connection, row, taste, max_out)
        if not chosen:
            break
        row = _put_out(connection, row, chosen, now + lease_seconds)
        tasks.append(_task(row, row["last_batch"], chosen))
    return tasks


def _next_products(connection: sa.Connection, row: sa.RowMapping, taste: Taste, max_out: int) -> list[sa.RowMapping]:
    waiting = sa.select(products).where(of_job(row), products.c.status == _PENDING, products.c.batch.is_(None))
    if taste.by_shop:
        shop = connection.execute(waiting.with_only_columns(products.c.shop).order_by(products.c.position).limit(1)).first()
        if shop is None:
            return []
        waiting = waiting.where(products.c.shop.is_not_distinct_from(shop[0]))
        wanted = MAX_BATCH_PRODUCTS
    else:
        left = row["total_products"] - row["products_completed"]
        # Guided self-scheduling (Polychronopoulos and Kuck, 1987): batches shrink towards the end, so that all workers end together.
        wanted = max(1, left // (2 * max_out))
    limit = min(taste.products_per_batch, wanted, MAX_BATCH_PRODUCTS)
    return _within_bytes(list(connection.execute(waiting.order_by(products.c.position).limit(limit)).mappings()))


def _within_bytes(rows: list[sa.RowMapping]) -> list[sa.RowMapping]:
    size = 0
    for i, row in enumerate(rows):
        size += len(row["series"])
        if size > MAX_BATCH_BYTES and i:
            return rows[:i]
    return rows


def _put_out(
    connection: sa.Connection, row: sa.RowMapping, chosen: list[sa.RowMapping], lease_until: float, alone: bool = False
) -> sa.RowMapping:
    row = jobs.change(connection, row, row["updated_at"], last_batch=row["last_batch"] + 1)
    batch = row["last_batch"]
    ids = [p["product_id"] for p in chosen]
    connection.execute(sa.update(products).where(of_job(row), products.c.product_id.in_(ids)).values(batch=batch, alone=alone))
    connection.execute(
        batches.insert().values(tenant_id=row["tenant_id"], job_id=row["job_id"], batch=batch, alone=alone, lease_until=lease_until)
    )
    return row


def lapsed(connection: sa.Connection, now: float, limit: int) -> list[tuple[str, str, int]]:
    """Keys of batches whose lease ran out."""
    query = sa.select(batches.c.tenant_id, batches.c.job_id, batches.c.batch).where(batches.c.lease_until < now)
    return [(r[0], r[1], r[2]) for r in connection.execute(query.order_by(batches.c.lease_until).limit(limit))]


def lapse_all(connection: sa.Connection) -> None:
    """For a broker that is known to be empty, such as the in-memory one after a start."""
    connection.execute(sa.update(batches).values(lease_until=0.0))


def take_again(connection: sa.Connection, tenant_id: str, job_id: str, batch: int, now: float, lease_seconds: float) -> TrainingTask | None:
    """The task of a lapsed batch with what is still open of it. None where nothing is, or the lease was renewed meanwhile."""
    row = jobs.lock(connection, tenant_id, job_id)
    mine = (batches.c.tenant_id == tenant_id) & (batches.c.job_id == job_id) & (batches.c.batch == batch)
    held = connection.execute(sa.select(batches).where(mine)).mappings().first()
    if row is None or held is None or held["lease_until"] >= now:
        return None
    rows = list(
        connection.execute(sa.select(products).where(of_job(row), products.c.batch == batch, products.c.status == _PENDING)).mappings()
    )
    if not rows or row["state"] != JobState.TRAINING:
        connection.execute(batches.delete().where(mine))
        return None
    connection.execute(sa.update(batches).where(mine).values(lease_until=now + lease_seconds))
    return _task(row, batch, rows, alone=bool(held["alone"]))


def take_alone(connection: sa.Connection, task: TrainingTask, now: float, lease_seconds: float) -> list[TrainingTask]:
    """Each product of a dead-lettered batch that is still open, as a task of its own."""
    row = jobs.lock(connection, task.tenant_id, task.job_id)
    if row is None or row["state"] != JobState.TRAINING:
        return []
    ids = [s.product_id for s in task.series]
    query = sa.select(products).where(of_job(row), products.c.product_id.in_(ids), products.c.status == _PENDING)
    tasks = []
    for product in connection.execute(query.where(products.c.batch == task.batch)).mappings().all():
        row = _put_out(connection, row, [product], now + lease_seconds, alone=True)
        tasks.append(_task(row, row["last_batch"], [product], alone=True))
    mine = (batches.c.tenant_id == task.tenant_id) & (batches.c.job_id == task.job_id) & (batches.c.batch == task.batch)
    connection.execute(batches.delete().where(mine))
    return tasks


def waiting_jobs(connection: sa.Connection, max_out: int, before: float, limit: int) -> list[sa.RowMapping]:
    """Jobs in training with products that wait and room for a batch, untouched since `before`: what a lost call of `take` left behind."""
    out = (
        sa.select(sa.func.count())
        .select_from(batches)
        .where(batches.c.tenant_id == table.c.tenant_id, batches.c.job_id == table.c.job_id)
        .scalar_subquery()
    )
    waits = sa.exists().where(
        products.c.tenant_id == table.c.tenant_id,
        products.c.job_id == table.c.job_id,
        products.c.status == _PENDING,
        products.c.batch.is_(None),
    )
    training = (table.c.state == JobState.TRAINING.value) & table.c.suspended.is_(False) & (table.c.updated_at < before)
    query = sa.select(table).where(training, out < max_out, waits).order_by(table.c.created_at).limit(limit)
    return list(connection.execute(query).mappings())


def _of_job(row: sa.RowMapping) -> tuple[sa.ColumnElement[bool], ...]:
    return batches.c.tenant_id == row["tenant_id"], batches.c.job_id == row["job_id"]


def _task(row: sa.RowMapping, batch: int, rows: list[sa.RowMapping], alone: bool = False) -> TrainingTask:
    spec = JobSpec.model_validate_json(row["spec"])
    shops = {p["shop"] for p in rows}
    calendars: list[dict[str, Any]] = json.loads(row["calendars"] or "[]")
    return TrainingTask(
        tenant_id=row["tenant_id"],
        job_id=row["job_id"],
        batch=batch,
        alone=alone,
        model=spec.model,
        horizon_days=spec.horizon_days,
        dataset_sha256=row["dataset_sha256"],
        forecast_start=date.fromisoformat(row["forecast_start"]),
        calendars=[ShopCalendar.model_validate_json(json.dumps(c)) for c in calendars if c["shop"] in shops],
        series=[Series.model_validate_json(p["series"]) for p in rows],
    )
