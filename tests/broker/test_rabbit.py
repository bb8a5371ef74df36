"""What only a real RabbitMQ does: queues that are otherwise, alarms, cancelled consumers, silent links, users with few rights."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aio_pika
import psutil
import pytest
from aio_pika.abc import AbstractChannel
from tests.broker.harness import Hands, Watcher, empty, until
from tests.e2e.cutting_proxy import proxying
from yarl import URL

from levain.scaled.rabbitmq import RabbitMQ
from levain_broker.errors import BrokerUnavailable
from levain_broker.rabbit import MAX_QUEUE_BYTES, MAX_QUEUE_MESSAGES, RabbitBroker
from levain_broker.rabbit_consumer import Consumer
from levain_broker.rabbit_topology import queue_arguments
from levain_contracts.topics import WorkQueue

pytestmark = pytest.mark.servers

TASKS, RESULTS = WorkQueue.TASKS, WorkQueue.RESULTS


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(50):
            await scenario()

    asyncio.run(main())


@asynccontextmanager
async def client(
    url: str, name: str = "test", *, heartbeat_seconds: float = 5.0, watchdog_seconds: float = 0.5
) -> AsyncIterator[RabbitBroker]:
    broker = RabbitBroker(url, name=name, heartbeat_seconds=heartbeat_seconds, watchdog_seconds=watchdog_seconds)
    try:
        yield broker
    finally:
        await broker.close()


async def declared(url: str, queue: WorkQueue, arguments: dict[str, Any]) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.declare_queue(queue.value, durable=True, arguments=arguments)


OURS = queue_arguments("3.10", MAX_QUEUE_MESSAGES, MAX_QUEUE_BYTES)[TASKS]
OTHERWISE: dict[str, tuple[dict[str, Any], str]] = {
    "classic": ({k: v for k, v in OURS.items() if k.startswith("x-max")}, "x-"),
    "another limit": (OURS | {"x-delivery-limit": 5}, "x-delivery-limit"),
}


@pytest.mark.parametrize("how", OTHERWISE)
def test_a_queue_that_exists_otherwise_is_one_line_no_spinning_and_works_once_it_is_gone(
    amqp_url: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Field case K11."""
    arguments, names = OTHERWISE[how]
    caplog.set_level(logging.INFO, "levain_broker")

    async def scenario() -> None:
        await empty(amqp_url)
        await declared(amqp_url, TASKS, arguments)
        hands = Hands()
        async with client(amqp_url) as broker, broker.consume(TASKS, hands.take, prefetch=1):
            await until(lambda: "PRECONDITION" in (broker.problem() or ""))
            used = psutil.Process().cpu_times()
            await asyncio.sleep(3)
            now = psutil.Process().cpu_times()
            assert now.user + now.system - used.user - used.system < 3 * 0.2
            problem = broker.problem() or ""
            assert "training.tasks" in problem and f"inequivalent arg '{names}" in problem and "\n" not in problem
            for session in ("publishing", "consuming"):
                lines = [r.getMessage() for r in caplog.records if session in r.getMessage() and r.levelno >= logging.WARNING]
                assert len(lines) == 1, lines
            async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
                await channel.queue_delete(TASKS.value)
            await until(lambda: broker.problem() is None)
            await broker.send(TASKS, b"1")
            assert (await hands.next()).body == b"1"

    run(scenario)


def test_under_an_alarm_nobody_waits_longer_than_a_publish_may_take(amqp_url: str, rabbitmq: RabbitMQ) -> None:
    async def scenario() -> None:
        await empty(amqp_url)
        async with client(amqp_url) as broker:
            await broker.send(RESULTS, b"before")
            await asyncio.to_thread(rabbitmq.alarm, True)
            try:
                for _ in range(3):
                    began = time.monotonic()
                    sent = await asyncio.gather(*(broker.send(RESULTS, b"x" * 100_000) for _ in range(50)), return_exceptions=True)
                    assert {type(s) for s in sent} == {BrokerUnavailable}
                    assert time.monotonic() - began < 3
                await until(lambda: "alarm" in (broker.problem() or ""))
                began = time.monotonic()
                with pytest.raises(BrokerUnavailable):
                    await broker.publish_event("training.started", b"{}")
                assert time.monotonic() - began < 0.5  # it is known
            finally:
                await asyncio.to_thread(rabbitmq.alarm, False)
            await until(lambda: broker.problem() is None)
            await broker.send(RESULTS, b"after")

    run(scenario)


def test_a_work_queue_that_is_deleted_under_its_consumer_is_made_anew(amqp_url: str, rabbitmq: RabbitMQ) -> None:
    async def scenario() -> None:
        await empty(amqp_url)
        hands = Hands()
        async with client(amqp_url) as broker, broker.consume(TASKS, hands.take, prefetch=1):
            await until(lambda: broker.problem() is None)
            await asyncio.to_thread(rabbitmq.control, "delete_queue", TASKS.value)
            await until(lambda: broker.sessions > 2)
            await until(lambda: broker.problem() is None)
            await broker.send(TASKS, b"1")
            assert (await hands.next()).body == b"1"

    run(scenario)


def test_a_work_queue_that_is_deleted_under_those_who_only_send_is_made_anew(amqp_url: str, rabbitmq: RabbitMQ) -> None:
    async def scenario() -> None:
        await empty(amqp_url)
        async with client(amqp_url) as broker:
            await broker.send(TASKS, b"1")
            await asyncio.to_thread(rabbitmq.control, "delete_queue", TASKS.value)
            with pytest.raises(BrokerUnavailable, match=TASKS):
                await broker.send(TASKS, b"2")
            await until(lambda: broker.sessions == 2 and broker.problem() is None)
            await broker.send(TASKS, b"2")
            assert await depth(broker, TASKS) == 1

    run(scenario)


async def depth(broker: RabbitBroker, queue: WorkQueue) -> int:
    await asyncio.sleep(0.1)  # a confirm comes before the queue's count
    return await broker.depth(queue)


def test_sends_that_are_cancelled_harm_no_other(amqp_url: str) -> None:
    async def scenario() -> None:
        await empty(amqp_url)
        async with client(amqp_url) as broker:
            await broker.send(RESULTS, b"connects")
            for turn in range(20):
                sends = [asyncio.create_task(broker.send(RESULTS, b"x" * 200_000)) for _ in range(20)]
                await asyncio.sleep(turn / 2_000)
                for send in sends[::2]:
                    send.cancel()
                assert await asyncio.gather(*sends[1::2]) == [None] * 10
            assert (broker.problem(), broker.sessions) == (None, 1)
            assert await depth(broker, RESULTS) > 200

    run(scenario)


def test_a_session_that_fails_as_nobody_foresaw_is_set_up_again(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    began = Consumer.begin

    async def fails(self: Consumer, channel: AbstractChannel) -> None:
        monkeypatch.setattr(Consumer, "begin", began)
        raise TypeError("the driver's bug")

    async def scenario() -> None:
        await empty(amqp_url)
        monkeypatch.setattr(Consumer, "begin", fails)
        hands = Hands()
        async with client(amqp_url) as broker, broker.consume(TASKS, hands.take, prefetch=1):
            await broker.send(TASKS, b"1")
            assert (await hands.next()).body == b"1"

    run(scenario)
    assert "the driver's bug" in caplog.text


def test_a_live_queue_that_is_deleted_is_replaced_by_one_of_another_name(amqp_url: str, rabbitmq: RabbitMQ) -> None:
    def live_queues() -> list[str]:
        return [name for name in rabbitmq.control("list_queues", "name").split() if name.startswith("training.events.")]

    async def scenario() -> None:
        await empty(amqp_url)
        watcher = Watcher()
        async with client(amqp_url) as broker, watcher.watching(broker):
            await until(lambda: broker.problem() is None)
            (before,) = await asyncio.to_thread(live_queues)
            await asyncio.to_thread(rabbitmq.control, "delete_queue", before)
            await until(lambda: watcher.calls == ["session", "session"])
            await until(lambda: broker.problem() is None)
            assert await asyncio.to_thread(live_queues) not in ([], [before])
            await broker.publish_event("training.started", b"1")
            await until(lambda: watcher.events == ["training.started 1"])
        await until_gone(live_queues)

    run(scenario)


async def until_gone(queues: Callable[[], list[str]]) -> None:
    while await asyncio.to_thread(queues):
        await asyncio.sleep(0.05)


def test_a_link_that_goes_silent_is_found_by_asking_and_left(amqp_url: str) -> None:
    async def scenario() -> None:
        await empty(amqp_url)
        hands, watcher = Hands(), Watcher()
        async with proxying(URL(amqp_url).port or 5672) as proxy:
            url = str(URL(amqp_url).with_port(proxy.port))
            async with (
                client(url, heartbeat_seconds=1.0) as broker,
                broker.consume(RESULTS, hands.take, prefetch=1),
                watcher.watching(broker),
            ):
                await until(lambda: broker.problem() is None)
                before = broker.sessions
                proxy.half_open()
                await until(lambda: broker.sessions >= before + 3)
                await until(lambda: broker.problem() is None)
                await broker.send(RESULTS, b"1")
                await broker.publish_event("training.started", b"1")
                await until(lambda: watcher.events == ["training.started 1"])
                # The broker may give it to the consumer whose link is silent, until that one's heartbeats have been missing.
                while not hands.deliveries:
                    await asyncio.sleep(0.05)

    run(scenario)


def test_a_link_that_goes_silent_is_found_by_its_heartbeats_and_cancels_nobody_who_sends(amqp_url: str) -> None:
    async def send_until(over: asyncio.Event, broker: RabbitBroker) -> None:
        while not over.is_set():
            with suppress(BrokerUnavailable):
                await broker.publish_event("training.progress", b"1")
            await asyncio.sleep(0.001)

    async def scenario() -> None:
        await empty(amqp_url)
        watcher, over = Watcher(), asyncio.Event()
        async with proxying(URL(amqp_url).port or 5672) as proxy:
            url = str(URL(amqp_url).with_port(proxy.port))
            async with client(url, heartbeat_seconds=1.0, watchdog_seconds=60.0) as broker, watcher.watching(broker):
                await until(lambda: broker.problem() is None)
                sending = asyncio.create_task(send_until(over, broker))
                proxy.half_open()
                while watcher.calls.count("session") < 2:
                    await asyncio.sleep(0.05)
                seen = len(watcher.events)
                await until(lambda: len(watcher.events) > seen)
                over.set()
                await sending

    run(scenario)


def test_work_outlives_a_node_that_is_killed(rabbitmq: RabbitMQ) -> None:
    """On queues of its own: 3.10 may lose the state of one that was deleted and declared anew just before the kill."""

    async def scenario() -> None:
        hands = Hands()
        async with client(f"{rabbitmq.url}to%2Foutlive") as broker:
            for i in range(20):
                await broker.send(TASKS, b"%d" % i)
            rabbitmq.kill()
            await until(lambda: broker.problem() is not None)
            with pytest.raises(BrokerUnavailable):
                await broker.send(TASKS, b"20")
            rabbitmq.launch()
            await asyncio.to_thread(rabbitmq.wait)
            async with broker.consume(TASKS, hands.take, prefetch=100):
                # A session of a node that is still starting may end, and what it was handed comes again.
                await until(lambda: {int(body) for body in hands.bodies} == set(range(20)))

    rabbitmq.control("add_vhost", "to/outlive")
    rabbitmq.control("set_permissions", "-p", "to/outlive", "guest", ".*", ".*", ".*")
    run(scenario)
    rabbitmq.control("delete_vhost", "to/outlive")


def test_a_user_who_may_only_take_tasks_and_send_results_needs_no_more(amqp_url: str, rabbitmq: RabbitMQ) -> None:
    """It may not declare: it waits until somebody has."""
    rights = {"worker": ("^$", r"^training\.work$", r"^training\.tasks$")}
    for user, permissions in rights.items():
        rabbitmq.control("add_user", user, "secret")
        rabbitmq.control("set_permissions", user, *permissions)

    async def scenario() -> None:
        await empty(amqp_url)
        hands = Hands()
        url = str(URL(amqp_url).with_user("worker").with_password("secret"))
        async with client(url, name="worker") as worker, worker.consume(TASKS, hands.take, prefetch=1):
            await until(lambda: "training.tasks" in (worker.problem() or "") or "training.work" in (worker.problem() or ""))
            async with client(amqp_url) as service:
                await service.send(TASKS, b"1")
                await until(lambda: worker.problem() is None)
                await (await hands.next()).ack()
                await worker.send(RESULTS, b"2")
                await worker.send(TASKS, b"the rest")
                assert await service.depth(RESULTS) == 1

    try:
        run(scenario)
    finally:
        for user in rights:
            rabbitmq.control("delete_user", user)


def test_no_password_is_in_what_it_says(amqp_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        url = str(URL(amqp_url).with_user("nobody").with_password("very-secret"))
        async with client(url) as broker, broker.consume(TASKS, Hands().take, prefetch=1):
            await until(lambda: "not connected" not in (broker.problem() or ""))
            await asyncio.sleep(0.3)
            assert "very-secret" not in (broker.problem() or "")
            with pytest.raises(BrokerUnavailable) as refused:
                await broker.send(TASKS, b"1")
            assert "very-secret" not in str(refused.value)

    run(scenario)
    assert "very-secret" not in caplog.text
