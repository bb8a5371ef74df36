"""One transaction writes a whole step: the products that ended now, the counters, the state, the events' numbers."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic_core import to_json

from levain_contracts.events import Event, ProductData
from levain_contracts.jobs import JobState, ProductState, verdict
from levain_contracts.model import clip
from levain_contracts.progress import progress
from levain_contracts.resources import JobSpec
from levain_contracts.tasks import FailedProduct, ResultChunk, TrainedProduct
from levain_training.store import batches, jobs
from levain_training.store.clock import at
from levain_training.store.products import of_job
from levain_training.store.tables import products

VERDICT_MESSAGES = {
    "all_products_failed": "not one product could be trained",
    "too_many_failed_products": "more products failed than max_failed_products allows",
}


class Recorded(NamedTuple):
    """`late` results belong to an ended or unknown job or to a product that had ended: they changed nothing.

    `made_room`: a batch of the job came back, so another may go out.
    """

    row: sa.RowMapping | None
    events: tuple[Event, ...]
    late: int
    made_room: bool = False


def record(connection: sa.Connection, chunk: ResultChunk, now: float, lease_seconds: float) -> Recorded:
    row = jobs.lock(connection, chunk.tenant_id, chunk.job_id)
    if row is None or row["state"] != JobState.TRAINING:
        return Recorded(row, (), len(chunk.results))
    open_products = _open(connection, row, [r.product_id for r in chunk.results])
    if not open_products:
        return Recorded(row, (), len(chunk.results))
    step, ended = end_products(connection, row, [(open_products[r.product_id], r) for r in _first(chunk, open_products)], now)
    made_room = not JobState(step.row["state"]).terminal and _keep_leases(
        connection, step.row, chunk.batch, open_products.values(), now + lease_seconds
    )
    return Recorded(step.row, step.events, len(chunk.results) - ended, made_room)


def _keep_leases(connection: sa.Connection, row: sa.RowMapping, batch: int, ended: Iterable[sa.RowMapping], lease_until: float) -> bool:
    """The chunk's batch lives. A late chunk may end products that went out again in other batches: they make room too."""
    made_room = False
    for touched in sorted({p["batch"] for p in ended if p["batch"] is not None} | {batch}):
        if batches.release(connection, row, touched):
            made_room = True
        elif touched == batch:
            batches.renew(connection, row, batch, lease_until)
    return made_room


def _first(chunk: ResultChunk, open_products: dict[str, Any]) -> list[TrainedProduct | FailedProduct]:
    """Each open product's first result."""
    by_id: dict[str, TrainedProduct | FailedProduct] = {}
    for result in chunk.results:
        if result.product_id in open_products:
            by_id.setdefault(result.product_id, result)
    return list(by_id.values())


def _open(connection: sa.Connection, row: sa.RowMapping, ids: list[str]) -> dict[str, sa.RowMapping]:
    """By their keys alone: with the status in the query, SQLite would walk through all products that are still open."""
    query = sa.select(*_OPEN).where(of_job(row), products.c.product_id.in_(sa.bindparam("ids", expanding=True)))
    found = connection.execute(query, {"ids": ids}).mappings()
    return {p["product_id"]: p for p in found if p["status"] == ProductState.PENDING}


_OPEN = [products.c[name] for name in ("product_id", "product", "shop", "batch", "status")]


def end_products(
    connection: sa.Connection, row: sa.RowMapping, ends: list[tuple[sa.RowMapping, TrainedProduct | FailedProduct]], now: float
) -> tuple[jobs.Step, int]:
    """Ends open products in this order, up to the one that ends the job. The second value counts those that were ended."""
    limit = JobSpec.model_validate_json(row["spec"]).max_failed_products
    total, completed, failed, seq = row["total_products"], row["products_completed"], row["products_failed"], row["seq"]
    events: list[Event] = []
    changes: list[dict[str, Any]] = []
    state, reason = verdict(total, completed, failed, limit)
    for product, result in ends:
        if state is not JobState.TRAINING:
            break
        completed, failed, seq = completed + 1, failed + (result.kind == "failed"), seq + 1
        data = _product_data(product, result, completed, failed, total)
        events.append(Event(row["tenant_id"], row["job_id"], seq, at(now), progress(completed, total), data))
        changes.append(_change(row, result, seq))
        state, reason = verdict(total, completed, failed, limit)
    if changes:
        connection.execute(_END, changes)
    row = jobs.change(connection, row, now, seq=seq, products_completed=completed, products_failed=failed)
    if state is JobState.TRAINING:
        return jobs.Step(row, tuple(events)), len(events)
    step = jobs.end(connection, row, state, now, reason, VERDICT_MESSAGES.get(reason or "", ""))
    return jobs.Step(step.row, (*events, *step.events)), len(events)


_END = (
    sa.update(products)
    .where(
        products.c.tenant_id == sa.bindparam("_tenant_id"),
        products.c.job_id == sa.bindparam("_job_id"),
        products.c.product_id == sa.bindparam("_product_id"),
    )
    .values({name: sa.bindparam(f"_{name}") for name in ("status", "seq", "reason", "message", "forecast", "scores", "model")})
)


def _change(row: sa.RowMapping, result: TrainedProduct | FailedProduct, seq: int) -> dict[str, Any]:
    change = {
        "_tenant_id": row["tenant_id"],
        "_job_id": row["job_id"],
        "_product_id": result.product_id,
        "_status": result.kind,
        "_seq": seq,
    }
    if isinstance(result, FailedProduct):
        return change | {"_reason": result.reason, "_message": clip(result.message), "_forecast": None, "_scores": None, "_model": None}
    return change | {
        "_reason": None,
        "_message": None,
        "_forecast": result.forecast.model_dump_json(),
        "_scores": result.scores.model_dump_json(),
        "_model": to_json(result.model).decode(),
    }


def _product_data(product: sa.RowMapping, result: TrainedProduct | FailedProduct, completed: int, failed: int, total: int) -> ProductData:
    failure = result if isinstance(result, FailedProduct) else None
    return ProductData(
        product_id=result.product_id,
        product=product["product"],
        shop=product["shop"],
        status=result.kind,
        reason=failure.reason if failure else None,
        message=failure.message if failure else None,
        products_completed=completed,
        products_failed=failed,
        total_products=total,
    )
