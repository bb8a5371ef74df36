"""What only the in-memory broker promises: its bounds in bytes, its counters, and the faults that it plays."""

import asyncio
import logging

import pytest
from tests.broker.harness import RESULTS, TASKS, Hands, Watcher, until

from levain_broker.errors import BrokerUnavailable, QueueFull
from levain_broker.memory import MemoryBroker
from levain_broker.memory_server import MemoryServer
from levain_broker.ports import Delivery


def test_a_watcher_that_can_not_keep_up_loses_the_oldest_and_the_loss_is_counted() -> None:
    async def main() -> None:
        broker, watcher = MemoryBroker(max_buffered_events=10), Watcher()
        async with watcher.watching(broker):
            await asyncio.gather(*(broker.publish_event("e", b"%d" % i) for i in range(25)))
            await until(lambda: bool(watcher.events))
        assert watcher.events == [f"e {i}" for i in range(15, 25)]
        assert broker.events_dropped == 15

    asyncio.run(main())


def test_a_queue_is_bounded_in_bytes_but_an_empty_one_takes_any_message() -> None:
    async def main() -> None:
        broker, hands = MemoryBroker(MemoryServer(max_queue_bytes=10)), Hands()
        await broker.send(TASKS, b"x" * 11)
        with pytest.raises(QueueFull, match="11 bytes wait"):
            await broker.send(TASKS, b"x")
        async with broker.consume(TASKS, hands.take, prefetch=1):
            await hands.next()
            await broker.send(TASKS, b"x" * 5)
            await broker.send(TASKS, b"x" * 5)
            with pytest.raises(QueueFull, match="10 bytes wait"):
                await broker.send(TASKS, b"x")

    asyncio.run(main())


def test_what_comes_back_finds_room_in_a_full_queue() -> None:
    async def main() -> None:
        broker, hands = MemoryBroker(MemoryServer(max_queue_messages=1)), Hands()
        async with broker.consume(TASKS, hands.take, prefetch=1):
            await broker.send(TASKS, b"1")
            await until(lambda: len(hands.deliveries) == 1)
            await broker.send(TASKS, b"2")
        assert await broker.depth(TASKS) == 2

    asyncio.run(main())


def test_dropped_events_are_lost_for_everyone_and_only_they() -> None:
    async def main() -> None:
        broker, watcher = MemoryBroker(), Watcher()
        async with watcher.watching(broker):
            broker.drop_next_events(2)
            for i in range(4):
                await broker.publish_event("e", b"%d" % i)
            await until(lambda: len(watcher.events) == 2)
        assert watcher.events == ["e 2", "e 3"]

    asyncio.run(main())


def test_events_that_were_buffered_when_the_link_broke_are_lost() -> None:
    async def main() -> None:
        broker, watcher = MemoryBroker(), Watcher()
        async with watcher.watching(broker):
            await broker.publish_event("e", b"1")
            broker.break_link()
            broker.mend()
            await broker.publish_event("e", b"2")
            await until(lambda: len(watcher.calls) == 3)
        assert watcher.calls == ["session", "session", "e 2"]

    asyncio.run(main())


def test_a_message_that_always_fails_comes_back_slower_each_time(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        broker, calls = MemoryBroker(), list[bytes]()

        async def fail(delivery: Delivery) -> None:
            calls.append(delivery.body)
            raise RuntimeError

        async with broker.consume(RESULTS, fail, prefetch=1):
            await broker.send(RESULTS, b"1")
            await until(lambda: len(calls) == 4)

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert [r.getMessage().split()[-2] for r in caplog.records][:3] == ["0.05", "0.10", "0.20"]


def test_two_clients_of_one_server_fail_apart() -> None:
    async def main() -> None:
        server = MemoryServer()
        one, other, hands = MemoryBroker(server), MemoryBroker(server), Hands()
        one.break_link()
        one.break_link()
        async with one.consume(TASKS, hands.take, prefetch=1), other.consume(TASKS, hands.take, prefetch=1):
            await other.send(TASKS, b"1")
            assert (await hands.next()).body == b"1"
            with pytest.raises(BrokerUnavailable, match="cut"):
                await one.send(TASKS, b"2")

    asyncio.run(main())


def test_a_closed_client_can_be_neither_entered_nor_mended() -> None:
    async def main() -> None:
        broker, hands, watcher = MemoryBroker(), Hands(), Watcher()
        await broker.close()
        broker.break_link()
        broker.mend()
        with pytest.raises(BrokerUnavailable, match="closed"):
            async with broker.consume(TASKS, hands.take, prefetch=1):
                pass
        with pytest.raises(BrokerUnavailable, match="closed"):
            async with watcher.watching(broker):
                pass

    asyncio.run(main())


def test_prefetch_below_one_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="prefetch"):
            async with MemoryBroker().consume(TASKS, Hands().take, prefetch=0):
                pass

    asyncio.run(main())


def test_a_callback_that_ignores_its_cancellation_does_not_hold_up_leaving(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("levain_broker.memory._CANCEL_SECONDS", 0.05)

    async def main() -> None:
        broker, started, release = MemoryBroker(), asyncio.Event(), asyncio.Event()

        async def stubborn(delivery: Delivery) -> None:
            started.set()
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

        async with broker.consume(TASKS, stubborn, prefetch=1):
            await broker.send(TASKS, b"1")
            await started.wait()
        assert await broker.depth(TASKS) == 1
        release.set()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert "ignores its cancellation" in caplog.text
