"""One engine and a small bounded thread pool: SQL is synchronous and never runs on the socket loop."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

P = ParamSpec("P")
T = TypeVar("T")

Query = Callable[Concatenate[sa.Connection, P], T]

_SQLITE_BUSY_MS = 5_000
THREADS = 4  # SQLite has one writer anyway; on PostgreSQL this is the number of connections of a replica


class StoreUnavailable(Exception):
    """The database did not answer: nothing was written. Try again later."""


def make_engine(url: str) -> sa.Engine:
    engine = sa.create_engine(url, pool_size=THREADS, max_overflow=0, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        _tune_sqlite(engine)
    return engine


def _tune_sqlite(engine: sa.Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")  # in WAL a crash of the machine may lose the last commits, never the order
        connection.execute(f"PRAGMA busy_timeout={_SQLITE_BUSY_MS}")

    @event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        # A deferred transaction that reads and then writes fails at once beside another writer; IMMEDIATE waits for its turn.
        writes = connection.get_execution_options().get("levain_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class Store:
    """Runs queries in transactions of their own. Every method raises `StoreUnavailable` when the database is away."""

    def __init__(self, engine: sa.Engine) -> None:
        self._reading = engine
        self._writing = engine.execution_options(levain_writes=True)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="store")

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(self._reading, query, *args, **kwargs)

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """All of `query` or nothing. A cancelled caller does not undo it: the transaction ends in its thread."""
        return await self._run(self._writing, query, *args, **kwargs)

    async def _run(self, engine: sa.Engine, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def transaction() -> T:
            with engine.begin() as connection:
                return query(connection, *args, **kwargs)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, transaction)
        except (DBAPIError, sa.exc.TimeoutError) as error:
            if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError | sa.exc.ProgrammingError):
                raise
            raise StoreUnavailable(str(getattr(error, "orig", error))) from error

    def close(self) -> None:
        self._pool.shutdown(wait=True)
        self._reading.dispose()


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Brings the schema up to `revision`, under a lock, so that two replicas that start together do it once."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
            connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


_MIGRATION_LOCK = 0x6C657661696E  # "levain"; freed when the connection closes


def rows(result: sa.CursorResult[Any]) -> list[sa.RowMapping]:
    return list(result.mappings())
