"""What only a real RabbitMQ does: queues that are otherwise, alarms, queues that are deleted, users with few rights."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import aio_pika
import psutil
import pytest
from tests.broker.harness import RESULTS, TASKS, Hands, Watcher, empty, until
from tests.broker.rabbit_client import client, depth, run
from yarl import URL

from levain.scaled.rabbitmq import RabbitMQ
from levain_broker.errors import BrokerUnavailable
from levain_broker.rabbit import MAX_QUEUE_BYTES, MAX_QUEUE_MESSAGES
from levain_broker.rabbit_topology import queue_arguments
from levain_contracts.topics import WorkQueue

pytestmark = pytest.mark.servers


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


def test_under_an_alarm_nobody_waits_longer_than_a_publish_may_take(rabbitmq: RabbitMQ) -> None:
    async def scenario() -> None:
        await empty(rabbitmq.url)
        async with client(rabbitmq.url) as broker:
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


def test_a_work_queue_that_is_deleted_under_its_consumer_is_made_anew(rabbitmq: RabbitMQ) -> None:
    async def scenario() -> None:
        await empty(rabbitmq.url)
        hands = Hands()
        async with client(rabbitmq.url) as broker, broker.consume(TASKS, hands.take, prefetch=1):
            await until(lambda: broker.problem() is None)
            await asyncio.to_thread(rabbitmq.control, "delete_queue", TASKS.value)
            await until(lambda: broker.sessions > 2)
            await until(lambda: broker.problem() is None)
            await broker.send(TASKS, b"1")
            assert (await hands.next()).body == b"1"

    run(scenario)


def test_a_work_queue_that_is_deleted_under_those_who_only_send_is_made_anew(rabbitmq: RabbitMQ) -> None:
    async def scenario() -> None:
        await empty(rabbitmq.url)
        async with client(rabbitmq.url) as broker:
            await broker.send(TASKS, b"1")
            await asyncio.to_thread(rabbitmq.control, "delete_queue", TASKS.value)
            with pytest.raises(BrokerUnavailable, match=TASKS):
                await broker.send(TASKS, b"2")
            await until(lambda: broker.sessions == 2 and broker.problem() is None)
            await broker.send(TASKS, b"2")
            assert await depth(broker, TASKS) == 1

    run(scenario)


def test_a_live_queue_that_is_deleted_is_replaced_by_one_of_another_name(rabbitmq: RabbitMQ) -> None:
    def live_queues() -> list[str]:
        return [name for name in rabbitmq.control("list_queues", "name").split() if name.startswith("training.events.")]

    async def scenario() -> None:
        await empty(rabbitmq.url)
        watcher = Watcher()
        async with client(rabbitmq.url) as broker, watcher.watching(broker):
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


def test_a_user_who_may_only_take_tasks_and_send_results_needs_no_more(rabbitmq: RabbitMQ) -> None:
    """It may not declare: it waits until somebody has."""
    rights = {"worker": ("^$", r"^training\.work$", r"^training\.tasks$")}
    for user, permissions in rights.items():
        rabbitmq.control("add_user", user, "secret")
        rabbitmq.control("set_permissions", user, *permissions)

    async def scenario() -> None:
        await empty(rabbitmq.url)
        hands = Hands()
        url = str(URL(rabbitmq.url).with_user("worker").with_password("secret"))
        async with client(url, name="worker") as worker, worker.consume(TASKS, hands.take, prefetch=1):
            await until(lambda: "training.tasks" in (worker.problem() or "") or "training.work" in (worker.problem() or ""))
            async with client(rabbitmq.url) as service:
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


def test_a_virtual_host_that_is_not_there_is_one_line(amqp_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with client(str(URL(amqp_url).with_path("/nowhere"))) as broker:
            for _ in range(2):
                with pytest.raises(BrokerUnavailable, match="virtual host"):
                    await broker.send(TASKS, b"1")

    run(scenario)
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1
