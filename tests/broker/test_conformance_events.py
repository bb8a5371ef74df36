"""The guarantees of `levain_broker.ports` on events, sessions and the link, on each adapter."""

import asyncio
import threading

import pytest
from tests.broker.harness import EVENT_BUFFER, RESULTS, TASKS, Adapter, Hands, Harness, Watcher, on_each_adapter, run, until

from levain_broker.errors import BrokerUnavailable
from levain_broker.ports import PUBLISH_TIMEOUT_SECONDS


@on_each_adapter
def test_an_event_reaches_every_watcher_of_now(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        publisher, other = await h.client(), await h.client()
        early, late = Watcher(), Watcher()
        async with early.watching(publisher):
            await until(lambda: early.calls == ["session"])
            await publisher.publish_event("training.started", b"1")
            await until(lambda: len(early.events) == 1)
            async with late.watching(other):
                await until(lambda: late.calls == ["session"])
                await publisher.publish_event("training.product.completed", b"2")
                await until(lambda: len(late.events) == 1)
            await publisher.publish_event("training.failed", b"3")
            await until(lambda: len(early.events) == 3)
        assert early.events == ["training.started 1", "training.product.completed 2", "training.failed 3"]
        assert late.calls == ["session", "training.product.completed 2"]

    run(adapter, scenario)


@on_each_adapter
def test_an_event_that_nobody_watches_is_no_error(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        await (await h.client()).publish_event("training.started", b"1")

    run(adapter, scenario)


@on_each_adapter
def test_events_of_one_publisher_arrive_in_their_order(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, watcher = await h.client(), Watcher()
        async with watcher.watching(broker):
            await until(lambda: watcher.calls == ["session"])
            for i in range(300):
                await broker.publish_event("training.progress", b"%d" % i)
            await until(lambda: len(watcher.events) == 300)
        assert watcher.events == [f"training.progress {i}" for i in range(300)]

    run(adapter, scenario)


@on_each_adapter
def test_events_and_sessions_are_called_on_the_loop(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, threads = await h.client(), list[int]()
        async with broker.watch_events(lambda *_: threads.append(threading.get_ident()), lambda: threads.append(threading.get_ident())):
            await until(lambda: bool(threads))
            await broker.publish_event("training.started", b"")
            await until(lambda: len(threads) == 2)
        assert set(threads) == {threading.get_ident()}

    run(adapter, scenario)


@on_each_adapter
def test_a_watcher_that_fails_gets_the_next_event_all_the_same(adapter: Adapter, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(h: Harness) -> None:
        broker, bodies, sessions = await h.client(), list[bytes](), list[int]()

        def fail(routing_key: str, body: bytes) -> None:
            bodies.append(body)
            raise RuntimeError("a watcher's bug")

        async with broker.watch_events(fail, lambda: sessions.append(1)):
            await until(lambda: bool(sessions))
            for body in (b"1", b"2"):
                await broker.publish_event("training.started", body)
            await until(lambda: len(bodies) == 2)

    run(adapter, scenario)
    assert "a watcher's bug" in caplog.text


@on_each_adapter
def test_a_watcher_hears_of_each_new_session_before_its_events(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, other, watcher = await h.client(), await h.client(), Watcher()
        async with watcher.watching(broker):
            await until(lambda: watcher.calls == ["session"])
            await h.break_link(broker)
            await other.publish_event("training.started", b"lost")
            await h.mend(broker)
            await until(lambda: watcher.calls == ["session", "session"])
            await other.publish_event("training.started", b"seen")
            await until(lambda: len(watcher.calls) == 3)
        assert watcher.calls == ["session", "session", "training.started seen"]

    run(adapter, scenario)


@on_each_adapter
def test_a_client_without_its_broker_says_so_in_time_and_recovers(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker = await h.client()
        assert broker.problem() is None
        await h.break_link(broker)
        for call in (broker.publish_event("training.started", b""), broker.send(TASKS, b""), broker.depth(TASKS)):
            async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS + 1):
                with pytest.raises(BrokerUnavailable):
                    await call
        problem = broker.problem()
        assert problem and "\n" not in problem
        await h.mend(broker)
        await until(lambda: broker.problem() is None)
        await broker.send(TASKS, b"1")
        await h.quiet()
        assert await broker.depth(TASKS) == 1

    run(adapter, scenario)


@on_each_adapter
def test_nothing_is_called_after_leaving(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, watcher = await h.client(), Watcher()
        async with watcher.watching(broker):
            await until(lambda: watcher.calls == ["session"])
            await broker.publish_event("training.started", b"1")
        calls = list(watcher.calls)
        await broker.publish_event("training.started", b"2")
        await h.break_link(broker)
        await h.mend(broker)
        await h.quiet()
        assert watcher.calls == calls

    run(adapter, scenario)


@on_each_adapter
def test_one_may_begin_to_watch_and_consume_while_the_broker_is_away(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, other, watcher, hands = await h.client(), await h.client(), Watcher(), Hands()
        await h.break_link(broker)
        await other.send(TASKS, b"1")
        async with watcher.watching(broker), broker.consume(TASKS, hands.take, prefetch=1):
            await h.quiet()
            assert (watcher.calls, hands.deliveries) == ([], [])
            await h.mend(broker)
            await until(lambda: watcher.calls == ["session"])
            assert (await hands.next()).body == b"1"

    run(adapter, scenario)


@on_each_adapter
def test_a_flood_of_events_loses_the_oldest_if_any(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, watcher = await h.client(), Watcher()
        async with watcher.watching(broker):
            await until(lambda: watcher.calls == ["session"])
            await asyncio.gather(*(broker.publish_event("training.progress", b"%d" % i) for i in range(EVENT_BUFFER * 3)))
            await until(lambda: bool(watcher.events) and watcher.events[-1] == f"training.progress {EVENT_BUFFER * 3 - 1}")
        numbers = [int(e.split()[1]) for e in watcher.events]
        assert numbers == sorted(set(numbers))
        assert len(numbers) >= EVENT_BUFFER

    run(adapter, scenario)


@on_each_adapter
def test_closing_returns_what_was_not_acknowledged_and_ends_every_session(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, other, watcher, hands, again = await h.client(), await h.client(), Watcher(), Hands(), Hands()
        async with watcher.watching(broker), broker.consume(RESULTS, hands.take, prefetch=2):
            await broker.send(RESULTS, b"1")
            await broker.send(RESULTS, b"2")
            await (await hands.next()).ack()
            await hands.next()
            await broker.close()
            await broker.close()
            assert broker.problem()
            for call in (broker.publish_event("training.started", b""), broker.send(TASKS, b""), broker.depth(TASKS)):
                with pytest.raises(BrokerUnavailable):
                    await call
            await other.publish_event("training.started", b"1")
            async with other.consume(RESULTS, again.take, prefetch=2):
                delivery = await again.next()
                await h.quiet()
        assert (delivery.body, delivery.redelivered, again.deliveries) == (b"2", True, [])
        assert watcher.events == []

    run(adapter, scenario)
