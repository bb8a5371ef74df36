"""What PostgreSQL and its driver are told, so that every wait of a thread has an end."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.types.string import StrDumper
from sqlalchemy import event

from levain_settings import SettingsError

T = TypeVar("T")

# The longest are a delete of a large dataset's parts and a page of a tenant's forecasts: fractions of a second.
STATEMENT_SECONDS = 10.0
# A replica that stands still in the middle of a step must not hold a job's row for ever.
IDLE_IN_STEP_SECONDS = 15.0
# Longer than any statement may take, so that only a peer that is gone is so silent.
SILENCE_SECONDS = 12.0
_INTERVAL_SECONDS = 0.1  # how often a wait looks at the clock: psycopg's default


def arguments(lock_seconds: float) -> dict[str, Any]:
    """Of `create_engine`. The keepalives find a peer that is gone after about ten seconds; the kernel's own limits are hours."""
    limits = {
        "lock_timeout": lock_seconds,
        "statement_timeout": STATEMENT_SECONDS,
        "idle_in_transaction_session_timeout": IDLE_IN_STEP_SECONDS,
    }
    connect = {
        "application_name": "levain",
        "connect_timeout": 5,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "options": " ".join(f"-c {name}={int(seconds * 1000)}" for name, seconds in limits.items()),
    }
    # A step locks its job's row and then reads what others have committed meanwhile: this is READ COMMITTED, whatever the server's default.
    return {"pool_pre_ping": True, "isolation_level": "READ COMMITTED", "connect_args": connect}


def tune(engine: sa.Engine) -> None:
    """Raises `SettingsError` at the first connection to a database that can't hold every name of a product."""

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, arguments: Any, parameters: Any) -> PatientConnection:
        connection = PatientConnection.connect(*arguments, **parameters)
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            connection.close()
            raise SettingsError(f"LEVAIN_DATABASE_URL: the database's encoding is {encoding}: create it WITH ENCODING 'UTF8'")
        connection.adapters.register_dumper(str, _TextDumper)
        return connection


class PatientConnection(psycopg.Connection[Any]):
    """Gives a silent peer up, and is closed then. TCP alone takes one for alive that reads and never answers: a stopped server, a proxy."""

    silence_seconds: float | None = SILENCE_SECONDS

    def wait(self, gen: Generator[Any, Any, T], interval: float = _INTERVAL_SECONDS, timeout: float | None = None) -> T:
        if self.silence_seconds is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(_unless_silent(gen, self.silence_seconds), interval, timeout)
        except _Silent:
            self.close()
            raise


class _Silent(psycopg.OperationalError):
    pass


def _unless_silent(gen: Generator[Any, Any, T], seconds: float) -> Generator[Any, Any, T]:
    """psycopg's wait sends it what the socket is ready for, and each interval nothing."""
    try:
        wanted = next(gen)
        heard = time.monotonic()
        while True:
            ready = yield wanted
            if ready:
                heard = time.monotonic()
            elif time.monotonic() - heard > seconds:
                raise _Silent(f"the server was silent for {seconds:g} s")
            wanted = gen.send(ready)
    except StopIteration as end:
        result: T = end.value
        return result


class _TextDumper(StrDumper):
    """PostgreSQL takes no U+0000 in a text. Ours are clean where they enter; one that slips through must not come back for ever."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in obj else obj)


@contextmanager
def unhurried(connection: sa.Connection) -> Iterator[None]:
    """For a migration: it takes as long as it takes, and so does the wait for another who does it."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, PatientConnection)
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(sa.text(f"SET LOCAL {name} = 0"))
    driver.silence_seconds = None
    try:
        yield
    finally:
        del driver.silence_seconds
