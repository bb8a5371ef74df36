"""Results through a real broker: copies, disorder, lost links, an absent store; progress is right all the same."""

import asyncio
import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.bookkeeper import chunk
from tests.training.parts import Parts, consuming, database_in, make_parts, run

from levain_broker.memory import MemoryBroker
from levain_broker.memory_server import MemoryServer
from levain_contracts.events import EventType, ProductData
from levain_contracts.tasks import ResultChunk
from levain_contracts.topics import WorkQueue
from levain_training.store import engine as store_engine
from levain_training.store import products, results

NAMES = [f"p{i}" for i in range(10)]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.lists(st.sampled_from(NAMES), max_size=10).flatmap(lambda copies: st.permutations([*NAMES, *copies])),
    sizes=st.lists(st.integers(1, 4), min_size=20, max_size=20),
    bad=st.sets(st.sampled_from(NAMES[1:])),
)
def test_copies_and_disorder_give_each_product_one_event_and_progress_never_goes_back(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], sizes: list[int], bad: set[str]
) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(NAMES)
        rest = iter(order)
        chunks = [chunk(part, bad) for size in sizes if (part := list(itertools.islice(rest, size)))]
        await parts.results(*chunks)
        await parts.state_is("completed")
        await parts.until(lambda: settled(parts, len(order)))
        ended = [e.data for e in parts.events if isinstance(e.data, ProductData)]
        assert sorted(d.product_id for d in ended) == NAMES
        assert [d.products_completed for d in ended] == list(range(1, 11))
        assert [e.seq for e in parts.events] == list(range(2, 14))
        assert [e.progress for e in parts.events] == [20, *(20 + 6 * n for n in range(1, 11)), 100]
        assert parts.events[-1].type is EventType.COMPLETED
        assert (parts.count("results", outcome="taken"), parts.count("results", outcome="late")) == (10, len(order) - 10)

    run(tmp_path_factory.mktemp("job"), scenario)


async def settled(parts: Parts, count: int) -> bool:
    taken = parts.count("results", outcome="taken") + parts.count("results", outcome="late")
    return taken == count and bool(parts.events) and parts.events[-1].terminal


def test_two_replicas_that_share_the_results_end_each_product_and_the_job_once(tmp_path: Path) -> None:
    url = database_in(tmp_path)

    async def scenario() -> None:
        server = MemoryServer()
        one, two = (make_parts(url, MemoryBroker(server)) for _ in range(2))
        async with asyncio.timeout(30), consuming(one), consuming(two):
            await one.analysed(NAMES)
            await one.results(*(chunk([name]) for name in [*NAMES, *NAMES]))
            await one.state_is("completed")
            await one.until(lambda: all_taken(one, two))
        assert sorted(e.seq for e in one.events) == sorted(e.seq for e in two.events) == list(range(2, 14))
        assert [e.type for e in one.events].count(EventType.COMPLETED) == 1
        for parts in (one, two):
            await parts.broker.close()
            parts.store.close()

    asyncio.run(scenario())


async def all_taken(one: Parts, two: Parts) -> bool:
    return sum(p.count("results", outcome=outcome) for p in (one, two) for outcome in ("taken", "late")) == 20 and len(one.events) == 12


def test_what_cannot_be_read_is_counted_and_dropped_and_the_rest_goes_on(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(["brot"])
        for body in (b"", b"{}", b'{"tenant_id": "anna"}', b"\xff\xfe", b'[{"results": NaN}]'):
            await parts.broker.send(WorkQueue.RESULTS, body)
        await parts.results(chunk(["brot"]))
        await parts.state_is("completed")
        assert parts.count("results", outcome="unreadable") == 5
        assert await parts.broker.depth(WorkQueue.RESULTS) == 0

    run(tmp_path, scenario)


def test_a_result_that_the_database_refuses_fails_its_product_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given back, its message would come again for ever."""
    record = results.record

    def picky(connection: sa.Connection, chunk: ResultChunk, now: float, lease_seconds: float) -> results.Recorded:
        if any(r.product_id == "p3" and r.kind == "trained" for r in chunk.results):
            connection.execute(sa.text("SELECT :number"), {"number": 2**70})
        return record(connection, chunk, now, lease_seconds)

    monkeypatch.setattr(results, "record", picky)

    async def scenario(parts: Parts) -> None:
        await parts.analysed(NAMES)
        await parts.results(chunk(NAMES))
        await parts.state_is("completed")
        failures = await parts.store.read(products.first_failures, await parts.row())
        assert [(f.product_id, f.reason) for f in failures] == [("p3", "result_refused")]
        await parts.until(lambda: settled(parts, 10))
        assert await parts.broker.depth(WorkQueue.RESULTS) == 0

    run(tmp_path, scenario)


def test_chunks_of_one_batch_that_wait_together_are_one_step_and_their_events_stay_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, sizes = results.record, []

    def counted(connection: sa.Connection, chunk: ResultChunk, now: float, lease_seconds: float) -> results.Recorded:
        sizes.append(len(chunk.results))
        return record(connection, chunk, now, lease_seconds)

    monkeypatch.setattr(results, "record", counted)

    async def scenario(parts: Parts) -> None:
        await parts.analysed(NAMES)
        await asyncio.gather(*(parts.tracker.record(chunk([name])) for name in NAMES[:6]), parts.tracker.record(chunk(NAMES[6:], batch=2)))
        assert sum(sizes) == 10
        assert len(sizes) < 7
        await parts.until(lambda: settled(parts, 10))
        assert [e.seq for e in parts.events] == list(range(2, 14))
        assert (await parts.row())["state"] == "completed"

    run(tmp_path, scenario)


def test_a_step_that_is_cancelled_leaves_the_chunks_that_waited_with_it_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_engine, "_RETRY_SECONDS", 0.02)

    async def scenario(parts: Parts) -> None:
        await parts.analysed(NAMES)
        with locked(tmp_path / "levain.db"):
            recording = [asyncio.create_task(parts.tracker.record(chunk([name]))) for name in NAMES]
            await asyncio.sleep(0.2)
            recording[0].cancel()
            await asyncio.sleep(0.05)
        await asyncio.gather(*recording[1:])
        row = await parts.row()
        assert row["products_completed"] >= 9
        await parts.tracker.record(chunk(NAMES[:1]))
        assert (await parts.row())["state"] == "completed"

    run(tmp_path, scenario, busy_seconds=0.05)


def test_results_of_unknown_and_ended_jobs_are_counted_late_and_leave_the_queue(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(["brot"])
        await parts.results(chunk(["brot"]), chunk(["brot"]), chunk(["brot", "x"], tenant="bert"), chunk(["brot"], job="unknown"))
        await parts.until(lambda: settled(parts, 5))
        assert (parts.count("results", outcome="taken"), parts.count("results", outcome="late")) == (1, 4)

    run(tmp_path, scenario)


def test_no_result_is_lost_when_the_link_to_the_broker_breaks_again_and_again(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(NAMES)
        await parts.results(*(chunk([name]) for name in NAMES))
        for _ in range(20):
            await asyncio.sleep(0.003)
            parts.broker.break_link()
            await asyncio.sleep(0.001)
            parts.broker.mend()
        await parts.state_is("completed")
        assert (await parts.row())["products_completed"] == 10
        seqs = [e.seq for e in parts.events]
        assert len(set(seqs)) == len(seqs)

    run(tmp_path, scenario)


def test_an_event_that_the_broker_does_not_take_loses_no_result(tmp_path: Path) -> None:
    async def scenario(parts: Parts) -> None:
        await parts.analysed(["brot", "brezel"])
        parts.broker.break_link()
        await parts.tracker.record(chunk(["brot", "brezel"]))
        assert (await parts.row())["state"] == "completed"
        assert parts.count("events_published", type="training.product.completed", outcome="lost") == 1
        assert parts.count("jobs_ended", state="completed") == 1

    run(tmp_path, scenario)


def test_while_the_store_is_away_results_wait_and_then_all_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_engine, "_RETRY_SECONDS", 0.02)

    async def scenario(parts: Parts) -> None:
        await parts.analysed(NAMES)
        with locked(tmp_path / "levain.db"):
            await parts.results(*(chunk([name]) for name in NAMES))
            await asyncio.sleep(0.4)
            assert (await parts.row())["products_completed"] == 0
            assert parts.count("results", outcome="taken") == 0
        await parts.state_is("completed")
        await parts.until(lambda: settled(parts, 10))
        assert [e.seq for e in parts.events] == list(range(2, 14))

    run(tmp_path, scenario, busy_seconds=0.05)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
