"""One engine and two small thread pools: SQL is synchronous and never runs on the socket loop."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError
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
_RETRIED = ("40001", "40P01")  # serialization_failure, deadlock_detected
_DEADLOCK_RETRIES = 3
_MIGRATION_LOCK = 0x6C657661696E  # "levain"


# Integers that are too large and characters that no encoding has fail in SQLite's driver itself.
_UNSTORABLE = (sa.exc.DataError, OverflowError, UnicodeEncodeError)
# A session that stood still in a step for too long, and a server that became a read-only standby.
_AWAY = ("25P03", "25006")


class StoreUnavailable(Exception):
    """The database did not answer, or said that it can't now. Try again later.

    Nothing was written, unless the answer to a commit was lost: made again, a step changes nothing then.
    """


class Unstorable(Exception):
    """The database refuses these values, now and later."""


def make_engine(url: str, *, busy_seconds: float = BUSY_SECONDS) -> sa.Engine:
    """`busy_seconds`: how long a write waits for another's lock."""
    size = {"pool_size": READERS + WRITERS, "max_overflow": 0}
    if not url.startswith("postgresql"):
        engine = sa.create_engine(url, **size)
        _tune_sqlite(engine, busy_seconds)
        return engine
    from levain_training.store import postgres  # the driver is of no use to the embedded stack

    engine = sa.create_engine(url, **size, **postgres.arguments(busy_seconds))
    postgres.tune(engine)
    return engine


def _tune_sqlite(engine: sa.Engine, busy_seconds: float) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        connection.execute(f"PRAGMA busy_timeout={int(busy_seconds * 1000)}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=4000")  # pages: 16 MB, since a product's row is written three times in a short while
        connection.execute("PRAGMA synchronous=NORMAL")  # in WAL a crash of the machine may lose the last commits, never the order

    @event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        # A deferred transaction that reads and then writes fails at once beside another writer; IMMEDIATE waits for its turn.
        writes = connection.get_execution_options().get("levain_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class StoreMetrics(Protocol):
    def transaction_ended(self, kind: str, seconds: float) -> None:
        """`kind`: `read` or `write`."""

    def store_away(self, kind: str) -> None: ...


class Store:
    """Runs queries in transactions of their own. Every method raises `StoreUnavailable` when the database is away."""

    def __init__(self, engine: sa.Engine, metrics: StoreMetrics | None = None) -> None:
        self._metrics = metrics
        self._reading = engine
        self._writing = engine.execution_options(levain_writes=True)
        # Writers that wait for a lock must not take the readers' threads.
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._writers = ThreadPoolExecutor(1 if engine.dialect.name == "sqlite" else WRITERS, thread_name_prefix="store-write")

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._measured("read"):
            return await self._run(self._readers, self._reading, query, *args, **kwargs)

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """All of `query` or nothing. A cancelled caller does not undo it: once begun, the transaction ends in its thread."""
        with self._measured("write"):
            return await self._run(self._writers, self._writing, query, *args, **kwargs)

    @contextmanager
    def _measured(self, kind: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        except StoreUnavailable:
            if self._metrics is not None:
                self._metrics.store_away(kind)
            raise
        finally:
            if self._metrics is not None:
                self._metrics.transaction_ended(kind, time.monotonic() - began)

    async def _run(self, pool: ThreadPoolExecutor, engine: sa.Engine, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        latest_start = time.monotonic() + _QUEUE_SECONDS

        def transaction() -> T:
            if time.monotonic() > latest_start:
                raise StoreUnavailable(f"no thread for it within {_QUEUE_SECONDS:g} s")
            with engine.begin() as connection:
                return query(connection, *args, **kwargs)

        try:
            return await asyncio.get_running_loop().run_in_executor(pool, _until_no_deadlock, transaction)
        except _UNSTORABLE as error:
            raise Unstorable(str(getattr(error, "orig", error))) from error
        except (DBAPIError, sa.exc.TimeoutError) as error:
            if not _away(error):
                raise
            raise StoreUnavailable(str(getattr(error, "orig", error))) from error

    def close(self) -> None:
        """Waits for the transactions that have begun."""
        self._readers.shutdown(wait=True)
        self._writers.shutdown(wait=True)
        self._reading.dispose()


def _away(error: DBAPIError | sa.exc.TimeoutError) -> bool:
    """And not a mistake of ours, which no waiting mends."""
    if isinstance(error, sa.exc.InternalError):
        return getattr(error.orig, "sqlstate", None) in _AWAY
    if isinstance(error, OperationalError):
        return getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR  # such as a table that is not there
    return isinstance(error, sa.exc.InterfaceError | sa.exc.TimeoutError) or bool(error.connection_invalidated)


def _until_no_deadlock(transaction: Callable[[], T]) -> T:
    """PostgreSQL ends one of two transactions that wait for each other: that one has changed nothing and is made again."""
    for _ in range(_DEADLOCK_RETRIES):
        try:
            return transaction()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in _RETRIED:
                raise
    return transaction()


async def when_back(call: Callable[[], Awaitable[T]]) -> T:
    """Makes the call again while the store is away. Cancel it to give up."""
    while True:
        try:
            return await call()
        except StoreUnavailable as error:
            log.warning("store away, waiting for it", extra={"error": str(error)})
            await asyncio.sleep(_RETRY_SECONDS)


def migrate(engine: sa.Engine, revision: str = "head", *, and_versions: Path | None = None) -> None:
    """As `upgrade`, in one transaction."""

    def transaction() -> None:
        with engine.execution_options(levain_writes=True).begin() as connection:
            upgrade(connection, revision, and_versions=and_versions)

    _until_no_deadlock(transaction)


def upgrade(connection: sa.Connection, revision: str = "head", *, and_versions: Path | None = None) -> None:
    """Brings the schema up to `revision` under a lock, so that replicas that start together do it once.

    A schema that this code does not know is of a newer version, and is left alone: each migration lets the version before it work on.
    `and_versions`: a folder with migrations of a version to come.
    """
    if connection.dialect.name == "sqlite":  # its write transaction is the lock
        return _upgrade(connection, revision, and_versions)
    from levain_training.store.postgres import unhurried

    with unhurried(connection):
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        return _upgrade(connection, revision, and_versions)


def _upgrade(connection: sa.Connection, revision: str, and_versions: Path | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config, migrations = Config(), Path(__file__).parent.parent / "migrations"
    config.set_main_option("script_location", str(migrations))
    if and_versions is not None:
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", f"{migrations / 'versions'}\n{and_versions}")
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}:
        log.info("the schema is newer than this code", extra={"revision": found})
        return
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
