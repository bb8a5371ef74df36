"""A PostgreSQL server that is killed, stands still, ends our sessions or lets nobody in: callers are told, and all is well afterwards."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from socket import IPPROTO_TCP, TCP_USER_TIMEOUT, socket
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from tests.e2e.cutting_proxy import CuttingProxy, proxying
from tests.store.bookkeeper import Bookkeeper, at_once, spec
from tests.store.databases import Database, postgresql

from levain.scaled.postgres import Postgres
from levain_training.store import engine as store_engine
from levain_training.store import jobs
from levain_training.store import postgres as store_postgres
from levain_training.store.engine import READERS, WRITERS, Store, StoreUnavailable, make_engine, migrate

pytestmark = pytest.mark.servers


@pytest.fixture
def database(postgres: Postgres, tmp_path: Path) -> Iterator[Database]:
    """On the private server, which is ours to kill."""
    with postgresql(postgres)(tmp_path, None) as database:
        engine = make_engine(database.url)
        migrate(engine)
        engine.dispose()
        yield database


def read(books: Bookkeeper) -> Any:
    return books.read(jobs.find, "anna", "job")


def write(books: Bookkeeper, job: str = "job") -> Any:
    return books.write(jobs.create, "anna", job, spec(), {}, 1.0)


@pytest.mark.parametrize("end", [Postgres.kill, Postgres.stop], ids=["killed", "stopped"])
def test_while_the_server_is_gone_calls_are_told_and_afterwards_they_work(
    postgres: Postgres, database: Database, end: Callable[[Postgres], None]
) -> None:
    with Bookkeeper(database.url) as books:
        write(books)
        end(postgres)
        try:
            for _ in range(3):
                with pytest.raises(StoreUnavailable):
                    read(books)
                with pytest.raises(StoreUnavailable):
                    write(books)
        finally:
            postgres.start()
        assert read(books) is not None
        assert write(books, "another") is not None


def test_a_step_whose_session_is_ended_has_changed_nothing_and_the_next_works(postgres: Postgres, database: Database) -> None:
    def interrupted(connection: sa.Connection) -> None:
        jobs.create(connection, "anna", "job", spec(), {}, 1.0)
        mine = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        postgres.query(f"SELECT pg_terminate_backend({mine})")
        jobs.lock(connection, "anna", "job")

    with Bookkeeper(database.url) as books:
        with pytest.raises(StoreUnavailable):
            books.write(interrupted)
        assert read(books) is None
        assert write(books) is not None


def test_sessions_that_were_ended_while_they_were_idle_cost_no_call(postgres: Postgres, database: Database) -> None:
    with Bookkeeper(database.url) as books:
        write(books)
        postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'levain'")
        assert read(books) is not None
        assert write(books, "another") is not None


def test_a_stalled_link_takes_no_thread_for_ever(postgres: Postgres, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(store: Store, proxy: CuttingProxy) -> None:
        def calls(name: str, count: int) -> list[Coroutine[Any, Any, Any]]:
            reads = [store.read(jobs.find, "anna", name) for _ in range(count)]
            return [*reads, *(store.write(jobs.create, "anna", f"{name}-{i}", spec(), {}, 1.0) for i in range(count))]

        await asyncio.gather(*calls("before", 8))
        proxy.stall()
        with monkeypatch.context() as short:
            short.setattr(store_postgres.PatientConnection, "silence_seconds", 0.5)
            short.setattr(store_engine, "_QUEUE_SECONDS", 1.0)
            told = await asyncio.gather(*calls("meanwhile", 30), return_exceptions=True)
        assert {type(answer) for answer in told} == {StoreUnavailable}
        assert sum(thread.name.startswith("store-") for thread in threading.enumerate()) <= READERS + WRITERS
        proxy.flow()
        await asyncio.gather(*calls("after", 8))

    _through_a_proxy(postgres, database, scenario)


def test_a_link_that_stalls_in_the_middle_of_a_step_is_given_up(
    postgres: Postgres, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_postgres.PatientConnection, "silence_seconds", 0.5)

    async def scenario(store: Store, proxy: CuttingProxy) -> None:
        loop = asyncio.get_running_loop()

        def stalled(connection: sa.Connection) -> None:
            jobs.create(connection, "anna", "job", spec(), {}, 1.0)
            loop.call_soon_threadsafe(proxy.half_open)
            connection.execute(sa.text("SELECT pg_sleep(0.1)"))

        with pytest.raises(StoreUnavailable, match="silent"):
            await store.write(stalled)
        assert await store.write(jobs.create, "anna", "another", spec(), {}, 1.0) is not None
        assert await store.read(jobs.find, "anna", "job") is None

    _through_a_proxy(postgres, database, scenario)


def test_a_migration_may_be_silent(postgres: Postgres, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_postgres, "STATEMENT_SECONDS", 0.2)
    monkeypatch.setattr(store_postgres.PatientConnection, "silence_seconds", 0.3)

    def slow(connection: sa.Connection) -> None:
        with store_postgres.unhurried(connection):
            connection.execute(sa.text("SELECT pg_sleep(0.6)"))

    with Bookkeeper(database.url) as books:
        books.write(slow)
        with pytest.raises(StoreUnavailable):
            books.write(lambda connection: connection.execute(sa.text("SELECT pg_sleep(0.6)")))


@pytest.mark.parametrize("standing", ["in a statement", "between two statements"])
def test_a_step_that_stands_still_is_ended_and_holds_its_job_no_longer(
    database: Database, monkeypatch: pytest.MonkeyPatch, standing: str
) -> None:
    locked = threading.Event()

    def still(connection: sa.Connection) -> None:
        jobs.lock(connection, "anna", "job")
        locked.set()
        if standing == "in a statement":
            connection.execute(sa.text("SELECT pg_sleep(30)"))
        time.sleep(0.5)
        jobs.lock(connection, "anna", "job")

    def stand(books: Bookkeeper) -> None:
        with pytest.raises(StoreUnavailable):
            books.write(still)

    def go_on(books: Bookkeeper) -> None:
        locked.wait(10)
        books.write(jobs.cancel, "anna", "job", 2.0)

    with Bookkeeper(database.url) as patient:
        write(patient)
        monkeypatch.setattr(store_postgres, "STATEMENT_SECONDS", 0.2)
        monkeypatch.setattr(store_postgres, "IDLE_IN_STEP_SECONDS", 0.2)
        with Bookkeeper(database.url) as short:
            at_once([lambda: stand(short), lambda: go_on(patient)])


def test_a_deadlock_is_resolved_within_the_store(database: Database) -> None:
    with Bookkeeper(database.url) as one, Bookkeeper(database.url) as two:
        for job in ("a", "b"):
            write(one, job)
        both_hold_one = threading.Barrier(2)
        tries: list[str] = []

        def lock(connection: sa.Connection, first: str, second: str) -> None:
            tries.append(first)
            jobs.lock(connection, "anna", first)
            if tries.count(first) == 1:
                both_hold_one.wait(10)
            jobs.lock(connection, "anna", second)

        at_once([lambda: one.write(lock, "a", "b"), lambda: two.write(lock, "b", "a")])
        assert len(tries) >= 3


def test_a_server_that_lets_nobody_in_is_away(postgres: Postgres, database: Database) -> None:
    postgres.query("CREATE ROLE late LOGIN PASSWORD 'late' CONNECTION LIMIT 0")
    url = sa.make_url(database.url).set(username="late", password="late").render_as_string(hide_password=False)
    try:
        with Bookkeeper(url) as books, pytest.raises(StoreUnavailable, match="too many connections"):
            read(books)
    finally:
        postgres.query("DROP ROLE late")


def test_a_server_that_became_a_standby_is_away_for_writes(postgres: Postgres, database: Database) -> None:
    name = database.url.rpartition("/")[2]
    postgres.query(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with Bookkeeper(database.url) as books:
        with pytest.raises(StoreUnavailable, match="read-only"):
            write(books)
        assert read(books) is None


def test_each_session_is_known_by_name_and_finds_a_dead_peer_by_itself(database: Database) -> None:
    def asked(connection: sa.Connection) -> tuple[Any, ...]:
        shown = tuple(
            connection.execute(sa.text(f"SHOW {name}")).scalar_one()
            for name in ("application_name", "transaction_isolation", "lock_timeout", "statement_timeout")
        )
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with socket(fileno=driver.fileno()) as wire:
            seconds = wire.getsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT) / 1000
            wire.detach()
        return (*shown, seconds)

    with Bookkeeper(database.url, busy_seconds=3) as books:
        assert books.read(asked) == ("levain", "read committed", "3s", "10s", 10.0)


def _through_a_proxy(postgres: Postgres, database: Database, scenario: Callable[[Store, CuttingProxy], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(50), proxying(postgres.port) as proxy:
            url = sa.make_url(database.url).set(port=proxy.port).render_as_string(hide_password=False)
            store = Store(make_engine(url))
            try:
                await scenario(store, proxy)
            finally:
                await asyncio.to_thread(store.close)

    asyncio.run(whole())
