"""A database that is locked, slow or full of other work: nothing is half-written, reads go on, and nobody waits for ever."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import sqlalchemy as sa
from tests.polling import looked
from tests.store.bookkeeper import Bookkeeper, chunk, spec
from tests.store.databases import Database

from levain_training.store import engine as store_engine
from levain_training.store import jobs, products
from levain_training.store.engine import Store, StoreUnavailable, Unstorable, make_engine, when_back
from levain_training.store.tables import batches

BUSY_SECONDS = 0.2


def test_a_write_to_a_locked_database_fails_whole_and_reads_go_on(database: Database) -> None:
    with Bookkeeper(database.url, busy_seconds=BUSY_SECONDS) as books:
        books.analysed(["brot", "brezel"])
        before = books.row()
        with database.hold_writes():
            with pytest.raises(StoreUnavailable):
                books.record(chunk(["brot"]))
            assert books.row() == before
        assert len(books.record(chunk(["brot", "brezel"])).events) == 3


def test_a_step_that_fails_halfway_leaves_nothing_behind(books: Bookkeeper) -> None:
    def half(connection: sa.Connection) -> None:
        jobs.create(connection, "anna", "job", spec(), {}, 1.0)
        raise RuntimeError("halfway")

    with pytest.raises(RuntimeError):
        books.write(half)
    assert books.read(jobs.find, "anna", "job") is None


def insert_twice(connection: sa.Connection) -> None:
    for _ in range(2):
        connection.execute(batches.insert().values(tenant_id="anna", job_id="job", batch=1, lease_until=1.0))


@pytest.mark.parametrize("mistake", [insert_twice, lambda connection: connection.execute(sa.text("SELECT nothing FROM nowhere"))])
def test_a_mistake_of_ours_is_not_hidden_as_a_database_that_is_away(books: Bookkeeper, mistake: Callable[[sa.Connection], Any]) -> None:
    with pytest.raises(sa.exc.DBAPIError):
        books.write(mistake)


@pytest.mark.parametrize("number", [2**63, 2**70, -(2**63) - 1])
def test_a_number_that_no_column_holds_is_refused_for_good(books: Bookkeeper, number: int) -> None:
    books.analysed(["brot"])
    with pytest.raises(Unstorable):
        books.read(products.list_products, books.row(), after=number, limit=10)


def test_writers_that_wait_for_a_lock_hold_up_no_reader(database: Database) -> None:
    async def scenario(store: Store) -> None:
        writes = [asyncio.create_task(store.write(jobs.create, "anna", f"job-{n}", spec(), {}, 1.0)) for n in range(6)]
        await asyncio.sleep(BUSY_SECONDS / 4)
        assert await store.read(jobs.find, "anna", "job-0") is None
        assert not any(write.done() for write in writes)
        failed = await asyncio.gather(*writes, return_exceptions=True)
        assert {type(f) for f in failed} == {StoreUnavailable}

    with database.hold_writes():
        run(database.url, scenario)


def test_a_call_that_finds_no_thread_in_time_is_told_that_the_store_is_away(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_engine, "_QUEUE_SECONDS", 0.05)
    released = threading.Event()

    def slow(connection: sa.Connection) -> str:
        released.wait(10)
        return "done"

    async def scenario(store: Store) -> None:
        slow_ones = [asyncio.create_task(store.read(slow)) for _ in range(store_engine.READERS)]
        await asyncio.sleep(0.02)
        late = asyncio.create_task(store.read(jobs.find, "anna", "job"))
        await asyncio.sleep(0.1)
        released.set()
        with pytest.raises(StoreUnavailable):
            await late
        assert await asyncio.gather(*slow_ones) == ["done"] * store_engine.READERS

    run(database.url, scenario)


def test_a_cancelled_caller_does_not_undo_a_write_that_has_begun(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def create(connection: sa.Connection) -> None:
        begun.set()
        go_on.wait(10)
        jobs.create(connection, "anna", "job", spec(), {}, 1.0)

    async def scenario(store: Store) -> None:
        writing = asyncio.create_task(store.write(create))
        await asyncio.to_thread(begun.wait, 10)
        writing.cancel()
        await asyncio.wait({writing})
        assert writing.cancelled()
        go_on.set()
        async with asyncio.timeout(10):
            await looked(lambda: store.read(jobs.find, "anna", "job"), lambda row: row is not None)

    run(database.url, scenario)


def test_a_call_is_made_again_until_the_store_is_back(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_engine, "_RETRY_SECONDS", 0.01)

    async def scenario(store: Store) -> None:
        with database.hold_writes():
            writing = asyncio.create_task(when_back(lambda: store.write(jobs.create, "anna", "job", spec(), {}, 1.0)))
            await asyncio.sleep(2 * BUSY_SECONDS)
            assert not writing.done()
        assert await writing is not None

    run(database.url, scenario)


def run(url: str, scenario: Callable[[Store], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        store = Store(make_engine(url, busy_seconds=BUSY_SECONDS))
        try:
            async with asyncio.timeout(20):
                await scenario(store)
        finally:
            store.close()

    asyncio.run(whole())
