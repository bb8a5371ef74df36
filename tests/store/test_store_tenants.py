"""No row of one tenant ever reaches another, by whichever query."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from tests.store.bookkeeper import FORECAST_START, LEASE_SECONDS, SHA, Bookkeeper, analysis, chunk, series, spec

from levain_contracts.tasks import TrainingTask
from levain_training.store import analyses, batches, changes, datasets, forecasts, jobs, live, products, results
from levain_training.store.tables import metadata

NAMES = ["p0", "p1", "p2", "p3", "p4"]


def build(books: Bookkeeper, tenant: str) -> None:
    """The same ids in every tenant, so that a query without its tenant finds the others' rows."""
    books.write(datasets.add_version, tenant, "sales", SHA, 4, lambda: [tenant.encode()], books.now)
    books.write(jobs.create_once, tenant, "waits", spec(active_deadline_seconds=9), lambda: {"dataset_sha256": "d" * 64}, books.now, "key")
    books.write(jobs.set_suspended, tenant, "waits", True, books.now)
    for job in ("done", "job"):
        books.start(tenant, job, dataset={"dataset_name": "sales", "dataset_sha256": SHA})
        shops = dict.fromkeys(NAMES, tenant)
        books.write(analyses.finish, books.claim(), "analyst", analysis(NAMES, shops=shops), books.now)
    books.record(chunk(NAMES, bad=NAMES[:1], tenant=tenant, job="done"))
    books.take(2, tenant=tenant)
    books.record(chunk(NAMES[:1], bad=NAMES[:1], tenant=tenant))


TASK = TrainingTask(
    tenant_id="anna",
    job_id="job",
    batch=1,
    model="instant",
    horizon_days=14,
    dataset_sha256=SHA,
    forecast_start=FORECAST_START,
    series=[series(name) for name in NAMES],
)
READS: dict[Callable[..., Any], Callable[[Bookkeeper, Any], Any]] = {
    jobs.find: lambda b, q: b.read(q, "anna", "job"),
    jobs.list_jobs: lambda b, q: b.read(q, "anna", before=None, limit=100),
    live.read_snapshot: lambda b, q: b.read(q, "anna", "done"),
    live.last_event: lambda b, q: b.read(q, b.row()),
    live.read_seqs: lambda b, q: b.read(q, [("anna", "job"), ("anna", "done")]),
    datasets.read_blob_part: lambda b, q: b.read(q, "anna", SHA, 0),
    datasets.latest: lambda b, q: b.read(q, "anna", "sales"),
    datasets.versions: lambda b, q: b.read(q, "anna", "sales", None, 100),
    datasets.names: lambda b, q: b.read(q, "anna", "", 100),
    forecasts.newest: lambda b, q: b.read(q, "anna", "p1", 2000.0),
    forecasts.sources: lambda b, q: b.read(q, "anna", None, "", 100),
    forecasts.of_job_after: lambda b, q: b.read(lambda c, r: list(q(c, r, 0, 100)), b.row(job="done")),
    products.detail: lambda b, q: b.read(q, b.row(job="done"), "p1"),
    products.list_products: lambda b, q: b.read(q, b.row(), limit=100),
    products.first_failures: lambda b, q: b.read(q, b.row()),
    products.failed_ids: lambda b, q: b.read(q, b.row()),
    products.has_shops: lambda b, q: b.read(q, b.row()),
    analyses.last_trained: lambda b, q: b.read(q, b.row()),
}
WRITES: dict[Callable[..., Any], Callable[[Bookkeeper, Any], Any]] = {
    jobs.lock: lambda b, q: b.write(q, "anna", "job"),
    jobs.create: lambda b, q: b.write(q, "anna", "job", spec(), {}, 3000.0),
    jobs.create_once: lambda b, q: b.write(q, "anna", "new", spec(active_deadline_seconds=9), dict, 3000.0, "key"),
    jobs.cancel: lambda b, q: b.write(q, "anna", "job", 3000.0),
    jobs.set_suspended: lambda b, q: b.write(q, "anna", "job", True, 3000.0),
    live.end_overdue: lambda b, q: b.write(q, "anna", "waits", 1e9),
    live.mark_published: lambda b, q: b.write(q, {("anna", "job"): 3}),
    results.record: lambda b, q: b.write(q, chunk(NAMES), 3000.0, LEASE_SECONDS),
    batches.take: lambda b, q: b.take(100),
    batches.take_again: lambda b, q: b.write(q, "anna", "job", 1, 1e9, LEASE_SECONDS),
    batches.isolate: lambda b, q: b.write(q, TASK),
    batches.hold: lambda b, q: b.write(q, [TASK], [], 3000.0),
    datasets.add_version: lambda b, q: b.write(q, "anna", "sales", "b" * 64, 4, lambda: [b"new"], 3000.0),
    datasets.add_blob: lambda b, q: b.write(q, "anna", "b" * 64, lambda: [b"new"]),
    datasets.delete: lambda b, q: b.write(q, "anna", "sales"),
    datasets.drop_unused_blobs: lambda b, q: b.write(q, "anna", {SHA}),
}
# Questions of the replicas about all tenants' work: their answers name the tenant and never leave the service.
OF_ALL = {analyses.claim, changes.changed, batches.lapsed, batches.lapse_all, batches.waiting_jobs, live.unpublished, live.overdue}
# Steps of the functions above on a row that they locked.
ON_A_ROW = {
    *(jobs.change, jobs.end, jobs.resume, jobs.suspend, jobs.terminal_event),
    *(analyses.fail, analyses.finish, analyses.give_back, analyses.renew),
    *(batches.release, batches.renew, datasets.release, results.end_products, products.insert),
}


def test_every_public_query_of_the_store_is_in_this_file() -> None:
    assert {*READS, *WRITES, *OF_ALL, *ON_A_ROW} == {
        query for module in (analyses, batches, changes, datasets, forecasts, jobs, live, products, results) for query in queries(module)
    }


def queries(module: ModuleType) -> list[Any]:
    functions = [f for _, f in inspect.getmembers(module, inspect.isfunction) if f.__module__ == module.__name__]
    return [f for f in functions if not f.__name__.startswith("_") and "connection" in inspect.signature(f).parameters]


def everything_of(books: Bookkeeper, tenant: str) -> dict[str, Any]:
    def read(connection: sa.Connection) -> dict[str, Any]:
        tables = metadata.tables.values()
        return {t.name: connection.execute(sa.select(t).where(t.c.tenant_id == tenant)).all() for t in tables}

    return books.read(read)


@pytest.mark.parametrize("query", READS, ids=lambda query: query.__qualname__)
def test_what_a_tenant_reads_does_not_change_by_what_another_has(books: Bookkeeper, query: Callable[..., Any]) -> None:
    build(books, "anna")
    alone = READS[query](books, query)
    assert alone
    books.now += 1
    build(books, "bert")
    build(books, "ann")
    assert READS[query](books, query) == alone


@pytest.mark.parametrize("query", WRITES, ids=lambda query: query.__qualname__)
def test_what_a_tenant_writes_changes_no_row_of_another(books: Bookkeeper, query: Callable[..., Any]) -> None:
    for tenant in ("anna", "bert"):
        build(books, tenant)
    before = everything_of(books, "bert")
    assert all(before.values())
    WRITES[query](books, query)
    assert everything_of(books, "bert") == before
