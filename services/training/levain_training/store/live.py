"""What the live path reads: snapshots, how far each job is, and what was never published."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from levain_contracts.events import Event, ProductData, StartedData
from levain_contracts.frames import Frame, SnapshotData, Stage, snapshot
from levain_contracts.jobs import JobState
from levain_training.store import jobs
from levain_training.store.analyses import analysis_event
from levain_training.store.clock import at
from levain_training.store.products import first_failures, of_job
from levain_training.store.tables import jobs as table
from levain_training.store.tables import products

JobKey = tuple[str, str]

_KEYS_AT_ONCE = 1000  # SQLite takes at most 32,766 values in a query

STAGES = {JobState.PENDING: Stage.STARTED, JobState.ANALYSING: Stage.ANALYSING, JobState.TRAINING: Stage.TRAINING}


def stage(row: sa.RowMapping) -> Stage:
    return STAGES.get(JobState(row["state"]), Stage.DONE)


def read_snapshot(connection: sa.Connection, tenant_id: str, job_id: str) -> tuple[Frame, Event | None] | None:
    """The snapshot, and the terminal event where the job has ended. None where there is no such job."""
    row = jobs.find(connection, tenant_id, job_id)
    if row is None or row["spec"] is None:
        return None
    state = JobState(row["state"])
    data = SnapshotData(
        state=state,
        stage=stage(row),
        suspended=bool(row["suspended"]),
        products_completed=row["products_completed"],
        products_failed=row["products_failed"],
        total_products=row["total_products"],
        failures=first_failures(connection, row),
        reason=row["reason"],
        message=row["message"],
    )
    frame = snapshot(tenant_id, job_id, row["seq"], at(row["updated_at"]), jobs.percent(row), data)
    return frame, jobs.terminal_event(connection, row) if state.terminal else None


def read_seqs(connection: sa.Connection, keys: Iterable[JobKey]) -> dict[JobKey, int]:
    """The `seq` of each job, by one query for `_KEYS_AT_ONCE` of them."""
    wanted = list(keys)
    found: dict[JobKey, int] = {}
    for i in range(0, len(wanted), _KEYS_AT_ONCE):
        keys_of = (
            sa.values(sa.column("tenant_id", sa.String), sa.column("job_id", sa.String)).data(wanted[i : i + _KEYS_AT_ONCE]).cte("wanted")
        )
        # A join, since SQLite looks at every job for `IN` with pairs.
        mine = (table.c.tenant_id == keys_of.c.tenant_id) & (table.c.job_id == keys_of.c.job_id)
        query = sa.select(table.c.tenant_id, table.c.job_id, table.c.seq).join(keys_of, mine)
        found |= {(r[0], r[1]): r[2] for r in connection.execute(query)}
    return found


def mark_published(connection: sa.Connection, marks: Mapping[JobKey, int]) -> None:
    for (tenant_id, job_id), seq in sorted(marks.items()):  # two replicas that lock jobs in other orders would wait for each other
        ahead = jobs.key(tenant_id, job_id) & (table.c.published_seq < seq)
        connection.execute(sa.update(table).where(ahead).values(published_seq=seq))


def unpublished(connection: sa.Connection, before: float, limit: int) -> list[sa.RowMapping]:
    """Jobs with an event that a dead process did not publish. `before`: what is younger may be on its way."""
    query = sa.select(table).where(table.c.published_seq < table.c.seq, table.c.updated_at < before, table.c.spec.is_not(None))
    return list(connection.execute(query.order_by(table.c.updated_at).limit(limit)).mappings())


def last_event(connection: sa.Connection, row: sa.RowMapping) -> Event | None:
    """The job's newest event, rebuilt from its rows. None where its newest `seq` is that of a suspend or resume."""
    seq = row["seq"]
    if JobState(row["state"]).terminal:
        return jobs.terminal_event(connection, row)
    if seq == 1:
        return Event(row["tenant_id"], row["job_id"], 1, at(row["created_at"]), 0, StartedData())
    if seq == row["analysed_seq"]:
        return analysis_event(row, row["updated_at"])
    product = connection.execute(sa.select(products).where(of_job(row), products.c.seq == seq)).mappings().first()
    if product is None:
        return None
    data: dict[str, Any] = {k: product[k] for k in ("product_id", "product", "shop", "status", "reason", "message")}
    data |= {k: row[k] for k in ("products_completed", "products_failed", "total_products")}
    return Event(row["tenant_id"], row["job_id"], seq, at(row["updated_at"]), jobs.percent(row), ProductData(**data))


def overdue(connection: sa.Connection, now: float, limit: int) -> list[JobKey]:
    """Jobs whose deadline has passed."""
    query = sa.select(table.c.tenant_id, table.c.job_id).where(table.c.deadline_at < now)
    return [(r[0], r[1]) for r in connection.execute(query.limit(limit))]


def end_overdue(connection: sa.Connection, tenant_id: str, job_id: str, now: float) -> jobs.Step | None:
    row = jobs.lock(connection, tenant_id, job_id)
    if row is None or row["deadline_at"] is None or row["deadline_at"] >= now:
        return None
    return jobs.end(connection, row, JobState.FAILED, now, "deadline_exceeded", "the job was not done before its deadline")
