"""Each test gets a database of its own, with the schema, on SQLite and on PostgreSQL."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.bookkeeper import Bookkeeper
from tests.store.databases import POSTGRESQL, Database, ExistingServer, Factory, postgresql, sqlite_file

from levain_training.store.engine import make_engine, migrate

EXISTING_SERVER = "LEVAIN_TEST_DATABASE_URL"


@pytest.fixture(scope="session", params=["sqlite", POSTGRESQL])
def factory(request: pytest.FixtureRequest) -> Factory:
    if request.param == "sqlite":
        return sqlite_file
    url = os.environ.get(EXISTING_SERVER)
    return postgresql(ExistingServer(url) if url else request.getfixturevalue("postgres"))


@pytest.fixture
def empty_database(factory: Factory, tmp_path: Path) -> Iterator[Database]:
    with factory(tmp_path, None) as database:
        yield database


@pytest.fixture(scope="session")
def migrated_database(factory: Factory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with factory(tmp_path_factory.mktemp("template"), None) as database:
        engine = make_engine(database.url)
        migrate(engine)
        engine.dispose()
        yield database


@pytest.fixture
def database(factory: Factory, tmp_path: Path, migrated_database: Database) -> Iterator[Database]:
    with factory(tmp_path, migrated_database) as database:
        yield database


@pytest.fixture
def books(database: Database) -> Iterator[Bookkeeper]:
    with Bookkeeper(database.url) as bookkeeper:
        yield bookkeeper
