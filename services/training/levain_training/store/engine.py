"""One engine and two small thread pools: SQL is synchronous and never runs on the socket loop."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

Query = Callable[Concatenate[sa.Connection, P], T]

BUSY_SECONDS = 5.0
READERS = 4
WRITERS = 4  # with the readers the number of connections of a replica; SQLite has one writer anyway
# The pools' queues are bounded by time: who found no thread for so long is told that the store is away.
_QUEUE_SECONDS = 10.0
_RETRY_SECONDS = 1.0
_MIGRATION_LOCK = 0x6C657661696E  # "levain"


class StoreUnavailable(Exception):
    """The database did not answer: nothing was written. Try again later."""


def make_engine(url: str, *, busy_seconds: float = BUSY_SECONDS) -> sa.Engine:
    """`busy_seconds`: how long a write waits for another process's (SQLite only)."""
    engine = sa.create_engine(url, pool_size=READERS + WRITERS, max_overflow=0, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        _tune_sqlite(engine, busy_seconds)
    return engine


def _tune_sqlite(engine: sa.Engine, busy_seconds: float) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        connection.execute(f"PRAGMA busy_timeout={int(busy_seconds * 1000)}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")  # in WAL a crash of the machine may lose the last commits, never the order

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
        # Writers that wait for a lock must not take the readers' threads.
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._writers = ThreadPoolExecutor(1 if engine.dialect.name == "sqlite" else WRITERS, thread_name_prefix="store-write")

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(self._readers, self._reading, query, *args, **kwargs)

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """All of `query` or nothing. A cancelled caller does not undo it: once begun, the transaction ends in its thread."""
        return await self._run(self._writers, self._writing, query, *args, **kwargs)

    async def _run(self, pool: ThreadPoolExecutor, engine: sa.Engine, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        latest_start = time.monotonic() + _QUEUE_SECONDS

        def transaction() -> T:
            if time.monotonic() > latest_start:
                raise StoreUnavailable(f"no thread for it within {_QUEUE_SECONDS:g} s")
            with engine.begin() as connection:
                return query(connection, *args, **kwargs)

        try:
            return await asyncio.get_running_loop().run_in_executor(pool, transaction)
        except (DBAPIError, sa.exc.TimeoutError) as error:
            if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError | sa.exc.ProgrammingError):
                raise
            raise StoreUnavailable(str(getattr(error, "orig", error))) from error

    def close(self) -> None:
        self._readers.shutdown(wait=True)
        self._writers.shutdown(wait=True)
        self._reading.dispose()


async def when_back(call: Callable[[], Awaitable[T]]) -> T:
    """Makes the call again while the store is away. Cancel it to give up."""
    while True:
        try:
            return await call()
        except StoreUnavailable as error:
            log.warning("store away, waiting for it", extra={"error": str(error)})
            await asyncio.sleep(_RETRY_SECONDS)


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Brings the schema up to `revision` in one transaction and under a lock, so that replicas that start together do it once."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
    with engine.execution_options(levain_writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
