"""The schema that the migrations make."""

import subprocess
import sys
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from tests.store.databases import Database

from levain_training.store.engine import make_engine, migrate
from levain_training.store.tables import metadata


def differences(database: Database) -> Any:
    engine = make_engine(database.url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    return found


def test_the_migrations_make_the_schema_that_the_code_expects(database: Database) -> None:
    assert differences(database) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    engine = make_engine(database.url)
    for _ in range(2):
        migrate(engine)
    engine.dispose()
    assert differences(database) == []


def test_processes_that_start_together_all_find_the_schema(empty_database: Database) -> None:
    code = "import sys; from levain_training.store.engine import make_engine, migrate; migrate(make_engine(sys.argv[1]))"
    starting = [subprocess.Popen([sys.executable, "-c", code, empty_database.url], stderr=subprocess.PIPE) for _ in range(3)]
    ended = [process.communicate(timeout=30) for process in starting]
    assert [(process.returncode, stderr) for process, (_, stderr) in zip(starting, ended, strict=True)] == [(0, b"")] * 3
    assert differences(empty_database) == []
