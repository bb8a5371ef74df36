"""The guarantees of `levain_broker.ports` on work queues, on each adapter."""

import asyncio
import logging

import pytest
from tests.broker.harness import (
    DEAD,
    QUEUE_MESSAGES,
    RESULTS,
    TASKS,
    WAIT_SECONDS,
    Adapter,
    Hands,
    Harness,
    on_each_adapter,
    run,
    until,
)

from levain_broker.errors import QueueFull
from levain_broker.ports import Broker, Delivery
from levain_contracts.tasks import MAX_BATCH_BYTES


@on_each_adapter
def test_work_waits_for_a_consumer_and_is_handed_over_oldest_first(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, hands = await h.client(), Hands()
        for i in range(20):
            await broker.send(RESULTS, b"%d" % i)
        await h.quiet()
        assert await broker.depth(RESULTS) == 20
        async with (await h.client()).consume(RESULTS, hands.take, prefetch=100):
            await until(lambda: len(hands.deliveries) == 20)
            assert hands.bodies == [b"%d" % i for i in range(20)]
            assert not any(d.redelivered for d in hands.deliveries)
            assert await broker.depth(RESULTS) == 0

    run(adapter, scenario)


@on_each_adapter
def test_a_message_of_one_queue_shows_up_in_no_other(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker = await h.client()
        await broker.send(RESULTS, b"1")
        await h.quiet()
        assert [await broker.depth(q) for q in (TASKS, RESULTS, DEAD)] == [0, 1, 0]

    run(adapter, scenario)


@on_each_adapter
def test_any_bytes_up_to_the_largest_batch_arrive_unchanged(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, hands = await h.client(), Hands()
        bodies = [b"", bytes(range(256)), b"\x00\xff" * (MAX_BATCH_BYTES // 2)]
        async with broker.consume(TASKS, hands.take, prefetch=10):
            for body in bodies:
                await broker.send(TASKS, body)
            await until(lambda: len(hands.deliveries) == 3)
        assert hands.bodies == bodies

    run(adapter, scenario)


@on_each_adapter
def test_no_more_than_prefetch_messages_are_unsettled(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, hands = await h.client(), Hands()
        for i in range(5):
            await broker.send(TASKS, b"%d" % i)
        async with broker.consume(TASKS, hands.take, prefetch=2):
            await until(lambda: len(hands.deliveries) == 2)
            await h.quiet()
            assert hands.bodies == [b"0", b"1"]
            assert await broker.depth(TASKS) == 3
            await hands.deliveries[1].ack()
            await until(lambda: len(hands.deliveries) == 3)
            await h.quiet()
            assert hands.bodies == [b"0", b"1", b"2"]

    run(adapter, scenario)


@on_each_adapter
def test_each_message_has_a_task_of_its_own(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, seen, second = await h.client(), list[bytes](), asyncio.Event()

        async def first_waits_for_second(delivery: Delivery) -> None:
            if delivery.body == b"1":
                await second.wait()
            second.set()
            seen.append(delivery.body)
            await delivery.ack()

        async with broker.consume(TASKS, first_waits_for_second, prefetch=2):
            await broker.send(TASKS, b"1")
            await broker.send(TASKS, b"2")
            await until(lambda: len(seen) == 2)
        assert seen == [b"2", b"1"]

    run(adapter, scenario)


@on_each_adapter
def test_consumers_with_room_share_the_work(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        one, other = Hands(), Hands()
        sender, first, second = await h.client(), await h.client(), await h.client()
        async with first.consume(TASKS, one.take, prefetch=50), second.consume(TASKS, other.take, prefetch=50):
            await until(lambda: first.problem() is None and second.problem() is None)
            for i in range(40):
                await sender.send(TASKS, b"%d" % i)
            await until(lambda: len(one.deliveries) + len(other.deliveries) == 40)
            assert len(one.deliveries) == len(other.deliveries) == 20

    run(adapter, scenario)


@on_each_adapter
def test_leaving_returns_what_is_unsettled_and_nothing_that_was_acknowledged(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, first, second = await h.client(), Hands(), Hands()
        for i in range(5):
            await broker.send(TASKS, b"%d" % i)
        async with broker.consume(TASKS, first.take, prefetch=4):
            await until(lambda: len(first.deliveries) == 4)
            await first.deliveries[1].ack()
            await until(lambda: len(first.deliveries) == 5)
        async with broker.consume(TASKS, second.take, prefetch=10):
            await until(lambda: len(second.deliveries) == 4)
            await h.quiet()
        assert second.bodies == [b"0", b"2", b"3", b"4"]
        assert all(d.redelivered for d in second.deliveries)

    run(adapter, scenario)


@on_each_adapter
def test_leaving_ends_the_callbacks_that_still_run(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, started, ended = await h.client(), asyncio.Event(), list[str]()

        async def endless(delivery: Delivery) -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("cancelled")

        await broker.send(TASKS, b"1")
        async with broker.consume(TASKS, endless, prefetch=1):
            await asyncio.wait_for(started.wait(), WAIT_SECONDS)
        assert ended == ["cancelled"]
        await h.quiet()
        assert await broker.depth(TASKS) == 1

    run(adapter, scenario)


@on_each_adapter
def test_settling_twice_or_too_late_changes_nothing_and_never_raises(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, hands = await h.client(), Hands()
        await broker.send(TASKS, b"1")
        await broker.send(TASKS, b"2")
        async with broker.consume(TASKS, hands.take, prefetch=1):
            acked = await hands.next()
            await acked.ack()
            await acked.ack()
            await acked.give_back()
            returned = await hands.next()
            await returned.give_back()
            again = await hands.next()
            await returned.ack()  # the second delivery is unsettled all the same
        await again.ack()
        await again.give_back()
        await h.quiet()
        assert (again.body, again.redelivered) == (b"2", True)
        assert await broker.depth(TASKS) == 1

    run(adapter, scenario)


@on_each_adapter
def test_an_exception_in_a_callback_is_logged_and_gives_the_message_back(adapter: Adapter, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(h: Harness) -> None:
        broker, seen = await h.client(), list[bool]()

        async def fails_once(delivery: Delivery) -> None:
            seen.append(delivery.redelivered)
            if len(seen) == 1:
                raise RuntimeError("no such batch")
            await delivery.ack()

        async with broker.consume(RESULTS, fails_once, prefetch=1):
            await broker.send(RESULTS, b"1")
            await until(lambda: len(seen) == 2)
        await h.quiet()
        assert seen == [False, True]
        assert await broker.depth(RESULTS) == 0

    with caplog.at_level(logging.ERROR):
        run(adapter, scenario)
    assert "no such batch" in caplog.text


async def fill(broker: Broker, taken: list[bytes]) -> None:
    for i in range(QUEUE_MESSAGES * 2):
        await broker.send(TASKS, b"%d" % i)
        taken.append(b"%d" % i)


@on_each_adapter
def test_a_full_queue_refuses_and_loses_nothing_that_it_took(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, hands, taken = await h.client(), Hands(), list[bytes]()
        with pytest.raises(QueueFull, match=TASKS):
            await fill(broker, taken)
        async with broker.consume(TASKS, hands.take, prefetch=QUEUE_MESSAGES * 2):
            await until(lambda: len(hands.deliveries) == len(taken))
            for delivery in hands.deliveries:
                await delivery.ack()
            await h.quiet()
            await broker.send(TASKS, b"again")
            await until(lambda: hands.bodies == [*taken, b"again"])

    run(adapter, scenario)


@on_each_adapter
def test_after_the_last_ack_nothing_more_is_handed_over_and_no_delivery_is_counted(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, leaving, staying = await h.client(), Hands(), Hands()
        for body in (b"one", b"two"):
            await broker.send(TASKS, body)
        async with broker.consume(TASKS, leaving.take, prefetch=1):
            await (await leaving.next()).ack(last=True)
            await h.quiet()
            assert leaving.deliveries == []
        async with broker.consume(TASKS, staying.take, prefetch=1):
            two = await staying.next()
            assert (two.body, two.redelivered) == (b"two", False)

    run(adapter, scenario)


@on_each_adapter
def test_after_the_last_ack_a_new_session_hands_over_nothing_either(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, leaving = await h.client(), Hands()
        for body in (b"one", b"two"):
            await broker.send(TASKS, body)
        async with broker.consume(TASKS, leaving.take, prefetch=1):
            await (await leaving.next()).ack(last=True)
            await h.quiet()
            await h.break_link(broker)
            await h.mend(broker)
            await h.quiet()
            assert leaving.deliveries == []
            assert await broker.depth(TASKS) == 1

    run(adapter, scenario)
