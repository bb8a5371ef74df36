"""What is out and what goes out next: at most W batches of a job at once, each with a lease."""

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

from levain_contracts.jobs import JobState, ProductState
from levain_contracts.resources import JobSpec
from levain_contracts.task_text import splice
from levain_contracts.tasks import MAX_BATCH_BYTES, MAX_BATCH_PRODUCTS, TrainingTask
from levain_training.store import jobs
from levain_training.store.products import of_job
from levain_training.store.tables import batches, calendars, products
from levain_training.store.tables import jobs as table

_PENDING = ProductState.PENDING.value
TASK_BYTES = 1024  # of a task without its series and calendars, at most

Calendars = dict[str, str]  # each shop's `ShopCalendar` as JSON text


class Keyed(Protocol):
    """Whatever names a batch."""

    @property
    def tenant_id(self) -> str: ...
    @property
    def job_id(self) -> str: ...
    @property
    def batch(self) -> int: ...


class ReadyTask(NamedTuple):
    """A task as it goes to the broker."""

    tenant_id: str
    job_id: str
    batch: int
    body: bytes


class Taste(NamedTuple):
    """How the job's trainer likes its batches."""

    by_shop: bool
    products_per_batch: int


def take(
    connection: sa.Connection, tenant_id: str, job_id: str, taste: Taste, max_out: int, now: float, lease_seconds: float
) -> list[ReadyTask]:
    """The next tasks of a job, marked as out. Call it again when some come back. Empty where nothing may go out."""
    row = jobs.lock(connection, tenant_id, job_id)
    if row is None or row["state"] != JobState.TRAINING or row["suspended"]:
        return []
    out = connection.execute(sa.select(sa.func.count()).select_from(batches).where(*_of_job(row))).scalar_one()
    tasks = []
    for _ in range(max_out - out):
        fitting = _next_products(connection, row, taste, max_out)
        if not fitting:
            break
        calendar_of = _calendars(connection, row, fitting)
        chosen = _within_bytes(fitting, calendar_of)
        row = _put_out(connection, row, chosen, now + lease_seconds)
        tasks.append(_task(row, row["last_batch"], chosen, calendar_of))
    return tasks


def _next_products(connection: sa.Connection, row: sa.RowMapping, taste: Taste, max_out: int) -> list[sa.RowMapping]:
    """What may go out together, or else one product that goes alone."""
    waiting = sa.select(products).where(of_job(row), products.c.status == _PENDING, products.c.batch.is_(None))
    waiting = waiting.order_by(products.c.part, products.c.position)
    together = waiting.where(products.c.alone.is_(False))
    # Guided self-scheduling (Polychronopoulos and Kuck, 1987): batches shrink towards the end, so that all workers end together.
    wanted = max(1, (row["total_products"] - row["products_completed"]) // (2 * max_out))
    if taste.by_shop:
        together, wanted = _one_part(connection, together), MAX_BATCH_PRODUCTS
    limit = min(taste.products_per_batch, wanted, MAX_BATCH_PRODUCTS)
    for query in (together.limit(limit), waiting.limit(1)):
        if chosen := list(connection.execute(query).mappings()):
            return chosen
    return []


def _one_part(connection: sa.Connection, together: sa.Select[Any]) -> sa.Select[Any]:
    """Of a job that an older version analysed: one shop."""
    first = connection.execute(together.with_only_columns(products.c.part, products.c.shop).limit(1)).first()
    if first is None:
        return together
    if first.part is None:
        return together.where(products.c.part.is_(None), products.c.shop.is_not_distinct_from(first.shop))
    return together.where(products.c.part == first.part)


def _within_bytes(rows: list[sa.RowMapping], calendar_of: Calendars) -> list[sa.RowMapping]:
    size, shops = TASK_BYTES, set()
    for i, row in enumerate(rows):
        size += len(row["series"].encode()) + 1
        shop = row["shop"] or ""
        if shop not in shops:
            shops.add(shop)
            size += len(calendar_of.get(shop, "").encode()) + 1
        if size > MAX_BATCH_BYTES and i:
            return rows[:i]
    return rows


def _put_out(connection: sa.Connection, row: sa.RowMapping, chosen: list[sa.RowMapping], lease_until: float) -> sa.RowMapping:
    row = jobs.change(connection, row, row["updated_at"], last_batch=row["last_batch"] + 1)
    batch = row["last_batch"]
    ids = [p["product_id"] for p in chosen]
    connection.execute(sa.update(products).where(of_job(row), products.c.product_id.in_(ids)).values(batch=batch))
    connection.execute(batches.insert().values(tenant_id=row["tenant_id"], job_id=row["job_id"], batch=batch, lease_until=lease_until))
    return row


def lapsed(connection: sa.Connection, now: float, limit: int) -> list[tuple[str, str, int]]:
    """Keys of batches whose lease ran out; those of a suspended job wait for its resume."""
    its_job = (batches.c.tenant_id == table.c.tenant_id) & (batches.c.job_id == table.c.job_id)
    query = sa.select(batches.c.tenant_id, batches.c.job_id, batches.c.batch).join(table, its_job)
    query = query.where(batches.c.lease_until < now, table.c.suspended.is_(False))
    return [(r[0], r[1], r[2]) for r in connection.execute(query.order_by(batches.c.lease_until).limit(limit))]


def hold(connection: sa.Connection, sent: Iterable[Keyed], unsent: Iterable[Keyed], lease_until: float) -> None:
    """What was sent is out until `lease_until`; what was taken and could not be sent lapses now."""
    leases = {_key(task): lease_until for task in sent} | {_key(task): 0.0 for task in unsent}
    for tenant_id, job_id in sorted({(tenant_id, job_id) for tenant_id, job_id, _ in leases}):
        jobs.lock(connection, tenant_id, job_id)
    for key, until in leases.items():
        connection.execute(sa.update(batches).where(*_batch(*key)).values(lease_until=until))


def lapse_all(connection: sa.Connection) -> None:
    """For a broker that is known to be empty, such as the in-memory one after a start."""
    connection.execute(sa.update(batches).values(lease_until=0.0))


def take_again(connection: sa.Connection, tenant_id: str, job_id: str, batch: int, now: float, lease_seconds: float) -> ReadyTask | None:
    """The task of a lapsed batch with what is still open of it. None where nothing is, or the lease was renewed meanwhile."""
    row = jobs.lock(connection, tenant_id, job_id)
    mine = _batch(tenant_id, job_id, batch)
    lease_until = connection.execute(sa.select(batches.c.lease_until).where(*mine)).scalar()
    if row is None or row["suspended"] or lease_until is None or lease_until >= now:
        return None
    rows = list(connection.execute(_open_of(row, batch).order_by(products.c.position)).mappings())
    if not rows or row["state"] != JobState.TRAINING:
        connection.execute(batches.delete().where(*mine))
        return None
    connection.execute(sa.update(batches).where(*mine).values(lease_until=now + lease_seconds))
    return _task(row, batch, rows, _calendars(connection, row, rows))


def isolate(connection: sa.Connection, task: TrainingTask) -> int:
    """The products of a dead-lettered batch that are still open wait again, each to go out alone. Returns their number."""
    row = jobs.lock(connection, task.tenant_id, task.job_id)
    if row is None or row["state"] != JobState.TRAINING:
        return 0
    still_in_it = (of_job(row), products.c.batch == task.batch, products.c.status == _PENDING)
    ids = [s.product_id for s in task.series]
    alone = sa.update(products).where(*still_in_it, products.c.product_id.in_(ids)).values(batch=None, alone=True)
    count: int = connection.execute(alone).rowcount
    release(connection, row, task.batch)
    return count


def release(connection: sa.Connection, row: sa.RowMapping, batch: int) -> bool:
    """Ends a batch of which nothing is open. False where something is."""
    if connection.execute(_open_of(row, batch).with_only_columns(sa.literal(1)).limit(1)).first() is not None:
        return False
    connection.execute(batches.delete().where(*_batch(row["tenant_id"], row["job_id"], batch)))
    return True


def renew(connection: sa.Connection, row: sa.RowMapping, batch: int, lease_until: float) -> None:
    connection.execute(sa.update(batches).where(*_batch(row["tenant_id"], row["job_id"], batch)).values(lease_until=lease_until))


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


def _batch(tenant_id: str, job_id: str, batch: int) -> tuple[sa.ColumnElement[bool], ...]:
    return batches.c.tenant_id == tenant_id, batches.c.job_id == job_id, batches.c.batch == batch


def _key(task: Keyed) -> tuple[str, str, int]:
    return task.tenant_id, task.job_id, task.batch


def _open_of(row: sa.RowMapping, batch: int) -> sa.Select[Any]:
    return sa.select(products).where(of_job(row), products.c.batch == batch, products.c.status == _PENDING)


def _calendars(connection: sa.Connection, row: sa.RowMapping, of_products: list[sa.RowMapping]) -> Calendars:
    its_job = (calendars.c.tenant_id == row["tenant_id"]) & (calendars.c.job_id == row["job_id"])
    shops = {p["shop"] or "" for p in of_products}
    query = sa.select(calendars.c.shop, calendars.c.calendar).where(its_job, calendars.c.shop.in_(shops))
    return {r[0]: r[1] for r in connection.execute(query)}


def _task(row: sa.RowMapping, batch: int, rows: list[sa.RowMapping], calendar_of: Calendars) -> ReadyTask:
    spec = JobSpec.model_validate_json(row["spec"])
    shops = {p["shop"] or "": None for p in rows}
    head = TrainingTask.model_construct(
        tenant_id=row["tenant_id"],
        job_id=row["job_id"],
        request_id=row["request_id"],
        batch=batch,
        alone=all(p["alone"] for p in rows),
        model=spec.model,
        horizon_days=spec.horizon_days,
        dataset_sha256=row["dataset_sha256"],
        forecast_start=date.fromisoformat(row["forecast_start"]),
        calendars=[],
        series=[],
    )
    body = splice(head, [calendar_of[shop] for shop in shops if shop in calendar_of], [p["series"] for p in rows])
    return ReadyTask(row["tenant_id"], row["job_id"], batch, body)
