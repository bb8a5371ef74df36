"""A job's row: made once, locked first in every step, and final once it has ended."""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import sqlalchemy as sa

from levain_contracts.events import CompletedData, Event, EventData, FailedData, StartedData
from levain_contracts.jobs import JobState, move
from levain_contracts.model import clip
from levain_contracts.progress import COMPLETED, progress
from levain_contracts.resources import JobSpec
from levain_training.store import datasets
from levain_training.store.clock import at
from levain_training.store.products import first_failures
from levain_training.store.tables import batches, idempotency_keys, jobs

Row = sa.RowMapping


class Step(NamedTuple):
    """What a step made of a job: its row afterwards and the events to publish, in order, after the commit."""

    row: Row
    events: tuple[Event, ...] = ()


class OtherSpec(Exception):
    """The id is taken by a job with another spec."""


class OtherBody(Exception):
    """The idempotency key was used with another body."""


class AlreadyEnded(Exception):
    """The job has ended, and what ended is final."""


def key(tenant_id: str, job_id: str) -> sa.ColumnElement[bool]:
    return (jobs.c.tenant_id == tenant_id) & (jobs.c.job_id == job_id)


def find(connection: sa.Connection, tenant_id: str, job_id: str) -> Row | None:
    return connection.execute(sa.select(jobs).where(key(tenant_id, job_id))).mappings().first()


def lock(connection: sa.Connection, tenant_id: str, job_id: str) -> Row | None:
    """The job's row, held until the transaction ends: a step that reads it without may count wrongly.

    Only in `Store.write`: on SQLite the transaction itself is the lock.
    """
    return connection.execute(sa.select(jobs).where(key(tenant_id, job_id)).with_for_update()).mappings().first()


def change(connection: sa.Connection, row: Row, now: float, **values: Any) -> Row:
    """The row with these values, written. `row` must be locked. Its `updated_at` never goes back, though replicas' clocks differ."""
    values["updated_at"] = max(now, row["updated_at"])
    written = sa.update(jobs).where(key(row["tenant_id"], row["job_id"])).values(**values).returning(jobs)
    return connection.execute(written).mappings().one()


def create(
    connection: sa.Connection, tenant_id: str, job_id: str, spec: JobSpec, dataset: dict[str, Any], now: float, retry_of: str | None = None
) -> Step | None:
    """None where a job with this id and spec is there. Raises `OtherSpec`. A mark of an early cancel takes the spec and starts nothing."""
    known = lock(connection, tenant_id, job_id)
    if known is None:
        try:
            with connection.begin_nested():
                return _insert(connection, tenant_id, job_id, spec, dataset, now, retry_of)
        except sa.exc.IntegrityError:  # another request was faster
            known = lock(connection, tenant_id, job_id)
    assert known is not None
    if known["spec"] is None:
        change(connection, known, now, spec=spec.model_dump_json())
    elif JobSpec.model_validate_json(known["spec"]) != spec:
        raise OtherSpec(job_id)
    return None


def _insert(
    connection: sa.Connection, tenant_id: str, job_id: str, spec: JobSpec, dataset: dict[str, Any], now: float, retry_of: str | None
) -> Step:
    deadline = None if spec.active_deadline_seconds is None else now + spec.active_deadline_seconds
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "job_id": job_id,
        "spec": spec.model_dump_json(),
        "state": JobState.PENDING.value,
        "seq": 1,
    }
    values |= {"created_at": now, "updated_at": now, "suspended": False, "deadline_at": deadline, "retry_of": retry_of} | dataset
    row = connection.execute(jobs.insert().values(**values).returning(jobs)).mappings().one()
    return Step(row, (Event(tenant_id, job_id, 1, at(now), 0, StartedData()),))


def create_once(
    connection: sa.Connection,
    tenant_id: str,
    job_id: str,
    spec: JobSpec,
    dataset_of: Callable[[], dict[str, Any]],
    now: float,
    idempotency_key: str,
) -> tuple[str, Step | None]:
    """The id of the key's job, and the step where it was made now. Only then is `dataset_of` asked. Raises `OtherBody`."""
    digest = hashlib.sha256(spec.model_dump_json().encode()).hexdigest()
    mine = (idempotency_keys.c.tenant_id == tenant_id) & (idempotency_keys.c.key == idempotency_key)
    values = {"tenant_id": tenant_id, "key": idempotency_key, "body_sha256": digest, "job_id": job_id, "created_at": now}
    try:
        with connection.begin_nested():
            connection.execute(idempotency_keys.insert().values(**values))
    except sa.exc.IntegrityError:
        used = connection.execute(sa.select(idempotency_keys).where(mine)).mappings().one()
        if used["body_sha256"] != digest:
            raise OtherBody(idempotency_key) from None
        return used["job_id"], None
    return job_id, create(connection, tenant_id, job_id, spec, dataset_of(), now)


def list_jobs(
    connection: sa.Connection, tenant_id: str, *, before: tuple[float, str] | None, limit: int, state: JobState | None = None
) -> list[Row]:
    """Newest first; `before` is (created_at, job_id) of the last row of the page before."""
    query = sa.select(jobs).where(jobs.c.tenant_id == tenant_id, jobs.c.spec.is_not(None))
    if state is not None:
        query = query.where(jobs.c.state == state.value)
    if before is not None:
        query = query.where(sa.tuple_(jobs.c.created_at, jobs.c.job_id) < sa.tuple_(*before))
    ordered = query.order_by(jobs.c.created_at.desc(), jobs.c.job_id.desc()).limit(limit)
    return list(connection.execute(ordered).mappings())


def cancel(connection: sa.Connection, tenant_id: str, job_id: str, now: float) -> Step:
    """Ends it as cancelled. An unknown id gets a mark, so that a late creation starts nothing. Raises `AlreadyEnded`."""
    row = lock(connection, tenant_id, job_id)
    if row is None:
        try:
            with connection.begin_nested():
                return Step(_insert_mark(connection, tenant_id, job_id, now))
        except sa.exc.IntegrityError:  # another request was faster
            row = lock(connection, tenant_id, job_id)
    assert row is not None
    if JobState(row["state"]).terminal:
        raise AlreadyEnded(row["state"])
    return end(connection, row, JobState.CANCELLED, now, "cancelled", "cancelled on request")


def _insert_mark(connection: sa.Connection, tenant_id: str, job_id: str, now: float) -> Row:
    values: dict[str, Any] = {"tenant_id": tenant_id, "job_id": job_id, "state": JobState.CANCELLED.value, "reason": "cancelled"}
    values |= {"message": "cancelled before it was known", "created_at": now, "updated_at": now, "ended_at": now, "suspended": False}
    return connection.execute(jobs.insert().values(**values).returning(jobs)).mappings().one()


def suspend(connection: sa.Connection, row: Row, now: float) -> Row:
    """Hands out no more work; what is out still counts. The deadline's clock stops. It takes a `seq` but has no event of its own."""
    left = None if row["deadline_at"] is None else max(row["deadline_at"] - now, 0.0)
    return change(connection, row, now, suspended=True, seq=row["seq"] + 1, deadline_at=None, deadline_left_seconds=left)


def resume(connection: sa.Connection, row: Row, now: float) -> Row:
    deadline = None if row["deadline_left_seconds"] is None else now + row["deadline_left_seconds"]
    return change(connection, row, now, suspended=False, seq=row["seq"] + 1, deadline_at=deadline, deadline_left_seconds=None)


def set_suspended(connection: sa.Connection, tenant_id: str, job_id: str, suspended: bool, now: float) -> Row | None:
    """None where there is no such job. Raises `AlreadyEnded`."""
    row = lock(connection, tenant_id, job_id)
    if row is None or row["spec"] is None:
        return None
    if JobState(row["state"]).terminal:
        raise AlreadyEnded(row["state"])
    if bool(row["suspended"]) == suspended:
        return row
    return (suspend if suspended else resume)(connection, row, now)


def end(connection: sa.Connection, row: Row, to: JobState, now: float, reason: str | None = None, message: str = "") -> Step:
    """The terminal state and its event. `row` must be locked and not have ended."""
    move(JobState(row["state"]), to)
    connection.execute(batches.delete().where(batches.c.tenant_id == row["tenant_id"], batches.c.job_id == row["job_id"]))
    values: dict[str, Any] = {"state": to.value, "seq": row["seq"] + 1, "ended_at": now, "suspended": False}
    values |= {"reason": reason, "message": clip(message) or None, "deadline_at": None, "analyst": None, "analysis_until": None}
    analysed = row["analysed_seq"] is not None
    row = change(connection, row, now, **values)
    if not analysed:
        datasets.release(connection, row)
    return Step(row, (terminal_event(connection, row),))


def terminal_event(connection: sa.Connection, row: Row) -> Event:
    """The terminal event as it was, rebuilt from the row."""
    failed = row["products_failed"]
    counts: dict[str, Any] = {"successful": row["products_completed"] - failed, "failed": failed}
    counts |= {"duration_seconds": max(row["ended_at"] - row["created_at"], 0.0), "failures": first_failures(connection, row)}
    data: EventData
    if row["state"] == JobState.COMPLETED:
        data = CompletedData(total_products=row["total_products"], **counts)
    else:
        reason, message = row["reason"] or "unknown", row["message"] or ""
        data = FailedData(reason=reason, message=message, total_products=row["total_products"], **counts)
    return Event(row["tenant_id"], row["job_id"], row["seq"], at(row["ended_at"]), percent(row), data)


def percent(row: Row) -> int:
    """Progress as viewers see it: a job that failed keeps its last value."""
    if row["state"] == JobState.COMPLETED:
        return COMPLETED
    return 0 if row["total_products"] is None else progress(row["products_completed"], row["total_products"])
