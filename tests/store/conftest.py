"""Each test gets a database of its own, with the schema, on every kind that `DATABASES` names."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.bookkeeper import Bookkeeper
from tests.store.databases import DATABASES, Database, Factory

from levain_training.store.engine import make_engine, migrate


@pytest.fixture(scope="session", params=list(DATABASES))
def factory(request: pytest.FixtureRequest) -> Factory:
    return DATABASES[request.param]


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
