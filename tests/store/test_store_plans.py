"""What the replicas ask every few seconds costs the same after ten thousand jobs: each query finds its rows by an index."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.store.bookkeeper import BY_PRODUCT, LEASE_SECONDS, Bookkeeper, chunk, spec

from levain_contracts.jobs import JobState
from levain_training.store import analyses, batches, changes, jobs, live, products, results, tables
from levain_training.store.batches import Taste
from levain_training.store.changes import Cursor

JOBS = 10_000
PRODUCTS_EACH = 2
NAMES = [f"p{i:03}" for i in range(200)]


@pytest.fixture
def old_books(books: Bookkeeper) -> Bookkeeper:
    """Ended jobs of years, and a few at each point of their life."""
    books.write(_fill)
    books.now += JOBS
    for job in ("running", "suspended", "waiting"):
        books.analysed(NAMES, job=job)
    books.take(2, job="running")
    books.take(2, job="suspended")
    books.write(jobs.set_suspended, "anna", "suspended", True, books.now)
    books.start(job="claimed", active_deadline_seconds=1000)
    books.claim()
    books.start(job="pending")
    books.write(lambda connection: connection.execute(sa.text("ANALYZE")))
    return books


def _fill(connection: sa.Connection) -> None:
    text = spec().model_dump_json()
    done = {"spec": text, "state": "completed", "seq": 9, "published_seq": 9, "total_products": PRODUCTS_EACH, "dataset_name": "sales"}
    rows = [
        done | {"tenant_id": f"t{i % 20}", "job_id": f"job-{i}", "created_at": 1000.0 + i, "updated_at": 1001.0 + i, "ended_at": 1001.0 + i}
        for i in range(JOBS)
    ]
    connection.execute(tables.jobs.insert(), rows)
    trained = {"status": "trained", "alone": False}
    ended = [
        trained | {"tenant_id": r["tenant_id"], "job_id": r["job_id"], "product_id": f"p{n}", "product": f"P{n}", "position": n, "seq": n}
        for r in rows
        for n in range(PRODUCTS_EACH)
    ]
    connection.execute(tables.products.insert(), ended)


QUERIES: dict[str, Callable[[sa.Connection, float], Any]] = {
    "claim": lambda c, now: analyses.claim(c, "another", now + 2 * LEASE_SECONDS, LEASE_SECONDS),
    "lapsed": lambda c, now: batches.lapsed(c, now + 2 * LEASE_SECONDS, 100),
    "waiting jobs": lambda c, now: batches.waiting_jobs(c, 4, now + 1, 100),
    "take": lambda c, now: batches.take(c, "anna", "waiting", BY_PRODUCT, 4, now, LEASE_SECONDS),
    "take by shop": lambda c, now: batches.take(c, "anna", "waiting", Taste(True, 256), 4, now, LEASE_SECONDS),
    "record": lambda c, now: results.record(c, chunk(NAMES[:3], job="running"), now, LEASE_SECONDS),
    "unpublished": lambda c, now: live.unpublished(c, now + 1, 100),
    "overdue": lambda c, now: live.overdue(c, now + 2000, 100),
    "seqs": lambda c, now: live.read_seqs(c, [("anna", "running"), ("t1", "job-1"), ("t2", "job-2")]),
    "snapshot": lambda c, now: live.read_snapshot(c, "anna", "running"),
    "what changed": lambda c, now: changes.changed(c, Cursor(now - 5), 100),
    "a page of what changed": lambda c, now: changes.changed(c, Cursor(5000.0, "t3", "job-3", now), 100),
    "what changed from the beginning": lambda c, now: changes.changed(c, Cursor(), 100),
    "jobs of a tenant": lambda c, now: jobs.list_jobs(c, "t1", before=(5000.0, "job-1"), limit=100),
    "products of a job": lambda c, now: products.list_products(c, _row(c), after=50, limit=100),
    "ends of a job": lambda c, now: products.list_products(c, _row(c), after_seq=3, limit=100),
    "the training before": lambda c, now: analyses.last_trained(c, _row(c)),
    "end in training": lambda c, now: jobs.cancel(c, "anna", "suspended", now),
    "end before the analysis": lambda c, now: jobs.cancel(c, "anna", "pending", now),
}


def _row(connection: sa.Connection) -> sa.RowMapping:
    row = jobs.find(connection, "anna", "running")
    assert row is not None
    assert row["state"] == JobState.TRAINING
    return row


@contextmanager
def explained(books: Bookkeeper) -> Iterator[list[str]]:
    """A line for each part of a statement that reads a whole table."""
    scans: list[str] = []
    of = _postgresql_scans if books.engine.dialect.name == "postgresql" else _sqlite_scans

    def explain(connection: sa.Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, executemany: bool) -> None:
        if not executemany and statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            driver: Any = connection.connection.driver_connection
            scans.extend(f"{found}: {statement}" for found in of(driver, statement, parameters))

    event.listen(books.engine, "before_cursor_execute", explain)
    yield scans
    event.remove(books.engine, "before_cursor_execute", explain)


def _postgresql_scans(driver: Any, statement: str, parameters: Any) -> Iterator[str]:
    (plan,) = driver.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters).fetchone()
    waiting = [(plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in ("jobs", "products"):
            yield f"reads all {node['Relation Name']}"


def _sqlite_scans(driver: Any, statement: str, parameters: Any) -> Iterator[str]:
    for *_, detail in driver.execute(f"EXPLAIN QUERY PLAN {statement}", parameters):
        if detail.startswith(("SCAN jobs", "SCAN products")) and "INDEX" not in detail:
            yield detail


def test_no_query_that_is_asked_all_the_time_reads_a_whole_table(old_books: Bookkeeper) -> None:
    for query in QUERIES.values():
        with explained(old_books) as scans:
            old_books.write(query, old_books.now)
        assert scans == []


@pytest.mark.parametrize("by_shop", [True, False])
def test_what_goes_out_next_is_found_without_a_sort_of_all_that_waits(books: Bookkeeper, by_shop: bool) -> None:
    books.analysed([f"p{i:05}" for i in range(5000)])
    books.write(lambda connection: connection.execute(sa.text("ANALYZE")))
    used: list[str] = []

    def explain(connection: sa.Connection, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT products."):
            driver: Any = connection.connection.driver_connection
            explained = "EXPLAIN" if books.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
            used.append(str(driver.execute(f"{explained} {statement}", parameters).fetchall()))

    event.listen(books.engine, "before_cursor_execute", explain)
    books.take(1, taste=Taste(by_shop, 256))
    event.remove(books.engine, "before_cursor_execute", explain)
    assert used != []
    assert [plan for plan in used if "ix_products_waiting" not in plan] == []
    sorted_ = [plan for plan in used if "Sort" in plan or "TEMP B-TREE" in plan]
    assert [plan for plan in sorted_ if "(part = " not in plan] == []  # one part at most


def test_a_query_without_an_index_is_found(books: Bookkeeper) -> None:
    with explained(books) as scans:
        books.read(lambda c: c.execute(sa.select(tables.jobs).where(tables.jobs.c.message == "x")).all())
    assert len(scans) == 1
