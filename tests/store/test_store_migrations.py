"""The schema that the migrations make, and that it grows under code that runs."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from tests.store import expansion
from tests.store.bookkeeper import LEASE_SECONDS, SHA, Bookkeeper, analysis, chunk, spec
from tests.store.databases import Database

import levain_training.migrations as migrations_folder
from levain_contracts.jobs import JobState
from levain_training.store import analyses, batches, changes, datasets, forecasts, jobs, live, products
from levain_training.store.changes import Cursor
from levain_training.store.engine import make_engine, migrate
from levain_training.store.tables import metadata


@pytest.fixture
def empty(empty_database: Database) -> Iterator[sa.Engine]:
    engine = make_engine(empty_database.url)
    yield engine
    engine.dispose()


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(*migrations_folder.__path__))
    return ScriptDirectory.from_config(config)


def differences(engine: sa.Engine) -> Any:
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), metadata)


def test_the_migrations_make_the_schema_that_the_code_expects_and_again_they_change_nothing(empty: sa.Engine) -> None:
    for _ in range(2):
        migrate(empty)
        assert differences(empty) == []


def test_processes_that_start_together_all_find_the_schema(empty: sa.Engine, empty_database: Database) -> None:
    code = "import sys; from levain_training.store.engine import make_engine, migrate; migrate(make_engine(sys.argv[1]))"
    starting = [subprocess.Popen([sys.executable, "-c", code, empty_database.url], stderr=subprocess.PIPE) for _ in range(3)]
    ended = [process.communicate(timeout=30) for process in starting]
    assert [(process.returncode, stderr) for process, (_, stderr) in zip(starting, ended, strict=True)] == [(0, b"")] * 3
    assert differences(empty) == []


def test_each_migration_only_adds(empty: sa.Engine) -> None:
    before: expansion.Schema = {}
    for script in reversed(list(scripts().walk_revisions())):
        migrate(empty, script.revision)
        with empty.connect() as connection:
            after = expansion.schema(connection)
        assert expansion.breaks(before, after) == [], script.revision
        assert after != before
        before = after


BREAKING: dict[str, Callable[[Operations], object]] = {
    "a dropped table": lambda op: op.drop_table("calendars"),
    "a dropped column": lambda op: _batch(op, lambda batch: batch.drop_column("message")),
    "a renamed column": lambda op: _batch(op, lambda batch: batch.alter_column("message", new_column_name="text")),
    "another type": lambda op: _batch(op, lambda batch: batch.alter_column("message", type_=sa.String(10))),
    "no more NULL": lambda op: _batch(op, lambda batch: batch.alter_column("message", nullable=False)),
    "a new column that must be filled": lambda op: op.add_column("idempotency_keys", sa.Column("colour", sa.Text, nullable=False)),
    "a new rule": lambda op: op.create_index("ix_unique", "jobs", ["message"], unique=True),
}


def _batch(op: Operations, alter: Any) -> None:
    with op.batch_alter_table("jobs") as batch:
        alter(batch)


@pytest.mark.parametrize("kind", BREAKING)
def test_what_the_version_before_would_trip_over_is_found(books: Bookkeeper, kind: str) -> None:
    def change(connection: sa.Connection) -> tuple[expansion.Schema, expansion.Schema]:
        before = expansion.schema(connection)
        BREAKING[kind](Operations(MigrationContext.configure(connection)))
        return before, expansion.schema(connection)

    before, after = books.write(change)
    assert expansion.breaks(before, before) == []
    assert len(expansion.breaks(before, after)) == 1


NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = {head!r}


def upgrade() -> None:
    for table in {tables!r}:
        op.add_column(table, sa.Column("colour", sa.Text))
        op.add_column(table, sa.Column("weight", sa.Integer, nullable=False, server_default="7"))
    op.create_table("ovens", sa.Column("tenant_id", sa.String(63), primary_key=True), sa.Column("heat", sa.Integer, nullable=False))
    op.create_index("ix_jobs_colour", "jobs", ["colour"])
"""


@pytest.fixture
def next_versions(tmp_path: Path) -> Path:
    folder = tmp_path / "next_versions"
    folder.mkdir()
    (folder / "9999_the_next_schema.py").write_text(NEXT.format(head=scripts().get_current_head(), tables=list(metadata.tables)))
    return folder


def test_a_schema_of_a_newer_version_is_left_alone_and_named_in_one_line(
    empty: sa.Engine, next_versions: Path, caplog: pytest.LogCaptureFixture
) -> None:
    migrate(empty, and_versions=next_versions)
    with empty.connect() as connection:
        newer = expansion.schema(connection)
    with caplog.at_level(logging.INFO, "levain_training"):
        migrate(empty)
    assert [(r.getMessage(), r.__dict__["revision"]) for r in caplog.records] == [("the schema is newer than this code", "9999")]
    with empty.connect() as connection:
        assert expansion.schema(connection) == newer


def test_a_job_that_is_out_goes_on_while_the_schema_becomes_the_next_versions(books: Bookkeeper, next_versions: Path) -> None:
    books.analysed([f"p{i}" for i in range(6)])
    (task, *_) = books.take(1)
    migrate(books.engine, and_versions=next_versions)
    assert len(books.record(chunk([s.product_id for s in task.series], batch=task.batch)).events) == len(task.series)
    assert books.take(1) != []


def test_a_job_lives_its_whole_life_on_the_next_versions_schema(books: Bookkeeper, next_versions: Path) -> None:
    names = [f"p{i}" for i in range(6)]
    migrate(books.engine, and_versions=next_versions)
    books.write(datasets.add_version, "anna", "sales", SHA, 4, lambda: [b"date"], books.now)
    books.write(jobs.create_once, "anna", "job", spec(), lambda: {"dataset_name": "sales", "dataset_sha256": SHA}, books.now, "key")
    books.write(analyses.give_back, books.claim(), "analyst", books.now, counts=True)
    row = books.claim()
    assert books.write(analyses.renew, row, "analyst", books.now + LEASE_SECONDS)
    assert books.write(analyses.finish, row, "analyst", analysis(names, ["new"], {"p0": "Nord"}), books.now) is not None
    first, *rest = books.take(2)
    books.write(batches.hold, [first], rest, books.now + LEASE_SECONDS)
    assert books.write(batches.isolate, first) == len(first.series)
    assert len(books.read(batches.lapsed, books.now, 10)) == len(rest)
    for suspended in (True, False):
        books.write(jobs.set_suspended, "anna", "job", suspended, books.now)
    books.record(chunk(names[:3], bad=names[:1]))
    assert books.read(live.read_snapshot, "anna", "job") is not None
    books.record(chunk(names[3:]))
    ended = books.row()
    assert (ended["state"], ended["products_completed"], ended["products_failed"]) == (JobState.COMPLETED, 7, 2)
    assert sorted(p.product_id for p in books.products()) == sorted([*names, "new"])
    assert len(books.read(products.first_failures, ended)) == 2
    assert books.read(forecasts.newest, "anna", "p5", books.now) is not None
    assert [r["job_id"] for r in books.read(live.unpublished, books.now + 1, 10)] == ["job"]
    books.write(live.mark_published, {("anna", "job"): ended["seq"]})
    assert books.write(datasets.delete, "anna", "sales")
    with books.engine.connect() as connection:
        assert set(connection.execute(sa.text("SELECT weight FROM products")).scalars()) == {7}


def test_jobs_end_on_the_next_versions_schema_before_their_time(books: Bookkeeper, next_versions: Path) -> None:
    migrate(books.engine, and_versions=next_versions)
    books.start(job="late", active_deadline_seconds=1)
    books.write(analyses.fail, books.claim(), "analyst", "reason", "message", books.now)
    books.start(job="overdue", active_deadline_seconds=1)
    books.now += 2
    assert books.write(live.end_overdue, "anna", "overdue", books.now) is not None
    books.start(job="cancelled")
    for job in ("cancelled", "never-was"):
        books.write(jobs.cancel, "anna", job, books.now)
    states = {r["job_id"]: r["state"] for r in books.read(changes.changed, Cursor(), 10)}
    assert states == {"late": "failed", "overdue": "failed", "cancelled": "cancelled"}
