"""The databases that the conformance suite of the store runs on."""

import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import psycopg
import pytest
import sqlalchemy as sa

POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.servers)
# For tests of what only PostgreSQL can do.
on_postgresql = pytest.mark.parametrize("factory", [POSTGRESQL], indirect=True)


class Database(NamedTuple):
    """`hold_writes` keeps every other writer out while it is entered, as a stuck process would."""

    url: str
    hold_writes: Callable[[], AbstractContextManager[None]]


# An empty database, or a copy of the one given, which nobody has open; it is gone afterwards.
Factory = Callable[[Path, Database | None], AbstractContextManager[Database]]

_SQLITE = "sqlite:///"


@contextmanager
def sqlite_file(folder: Path, template: Database | None) -> Iterator[Database]:
    path = folder / "levain.db"
    if template is not None:
        shutil.copy(template.url.removeprefix(_SQLITE), path)

    @contextmanager
    def hold_writes() -> Iterator[None]:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    yield Database(f"{_SQLITE}{path}", hold_writes)


class Server(Protocol):
    def url(self, database: str) -> str: ...
    def query(self, statement: str) -> object: ...


class ExistingServer:
    """One that others own; `url` is SQLAlchemy's and comes with the right to create databases."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)

    def url(self, database: str) -> str:
        return self._url.set(database=database).render_as_string(hide_password=False)

    def query(self, statement: str) -> None:
        with psycopg.connect(self._url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True) as session:
            session.execute(statement.encode())


def postgresql(server: Server) -> Factory:
    """Databases of this server."""

    @contextmanager
    def database(_: Path, template: Database | None) -> Iterator[Database]:
        name = f"store_{secrets.token_hex(6)}"
        copied = "" if template is None else f" TEMPLATE {template.url.rpartition('/')[2]}"
        server.query(f"CREATE DATABASE {name}{copied}")
        url = server.url(name)

        @contextmanager
        def hold_writes() -> Iterator[None]:
            with psycopg.connect(url.replace("+psycopg", "")) as other:
                tables = other.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
                # Readers go on, as beside a writer of SQLite.
                other.execute(f"LOCK TABLE {', '.join(t for (t,) in tables)} IN EXCLUSIVE MODE")
                yield
                other.rollback()

        try:
            yield Database(url, hold_writes)
        finally:
            server.query(f"DROP DATABASE {name} WITH (FORCE)")

    return database
