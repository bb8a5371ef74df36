"""Links to a real RabbitMQ that are cut, go silent or come back, and those who wait on them meanwhile."""

import asyncio
import gc
from contextlib import suppress

import pytest
from aio_pika.abc import AbstractChannel
from tests.broker.harness import RESULTS, TASKS, Hands, Watcher, empty, until
from tests.broker.rabbit_client import client, depth, run
from tests.e2e.cutting_proxy import proxying
from yarl import URL

from levain.scaled.rabbitmq import RabbitMQ
from levain_broker.errors import BrokerUnavailable, QueueFull
from levain_broker.rabbit import MAX_BUFFERED_EVENTS, MAX_QUEUE_BYTES, MAX_QUEUE_MESSAGES, RabbitBroker
from levain_broker.rabbit_consumer import Consumer
from levain_broker.rabbit_driver import quieten_driver
from levain_broker.rabbit_link import Link, Options

pytestmark = pytest.mark.servers


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


def test_a_consumer_that_leaves_while_it_begins_is_gone(amqp_url: str) -> None:
    async def scenario() -> None:
        await empty(amqp_url)
        async with client(amqp_url) as broker:
            for turn in range(400):
                async with asyncio.timeout(10), broker.consume(RESULTS, Hands().take, prefetch=1):
                    await asyncio.sleep(turn % 40 / 4_000)
            assert (await broker.queue_state(RESULTS)).consumers == 0

    run(scenario)


@pytest.mark.parametrize("how", ["cut", "dropped"])
def test_a_connection_that_is_lost_leaves_nothing_to_close_to_whatever_thread_collects_it(amqp_url: str, how: str) -> None:
    """As one that never came about: see `test_rabbit_refused`."""
    kept: list[AbstractChannel] = []

    def forget() -> None:
        kept.clear()  # each holds its connection
        gc.collect()

    async def scenario() -> None:
        async with proxying(URL(amqp_url).port or 5672) as proxy:
            address = str(URL(amqp_url).with_port(proxy.port))
            link = Link(Options(address, "lost", 10, 2, MAX_QUEUE_MESSAGES, MAX_QUEUE_BYTES, MAX_BUFFERED_EVENTS), "publishing")
            for _ in range(4):
                with suppress(BrokerUnavailable):  # of a connection that is cut, once or twice
                    async with link.channel() as channel:
                        kept.append(channel)
                        del channel
                        if how == "cut":
                            proxy.cut()
                        else:
                            link.drop()
            assert len(kept) > 1
            await link.close()
            await asyncio.to_thread(forget)

    quieten_driver()
    run(scenario)


def test_who_is_cancelled_while_the_link_goes_ends_and_so_does_the_client(amqp_url: str) -> None:
    """The driver then makes an error of the cancellation; whoever tries again after an error would never end."""

    async def send_for_ever(broker: RabbitBroker) -> None:
        while True:
            with suppress(BrokerUnavailable, QueueFull):
                await broker.send(RESULTS, b"x" * 100_000)
            await asyncio.sleep(0)

    async def scenario() -> None:
        await empty(amqp_url)
        for turn in range(20):
            async with (
                proxying(URL(amqp_url).port or 5672) as proxy,
                client(str(URL(amqp_url).with_port(proxy.port))) as broker,
            ):
                await broker.send(RESULTS, b"connects")
                senders = [asyncio.create_task(send_for_ever(broker)) for _ in range(30)]
                await asyncio.sleep(turn / 1_000)
                proxy.cut()
                await asyncio.sleep(turn / 20_000)
                for sender in senders:
                    sender.cancel()
                async with asyncio.timeout(10):
                    await asyncio.gather(*senders, return_exceptions=True)
                    await broker.close()

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


def test_a_queue_that_is_deleted_and_declared_anew_at_once_is_consumed_again(rabbitmq: RabbitMQ) -> None:
    """RabbitMQ 3.10 tells no consumer of it, and what it hands them gets lost."""

    async def scenario() -> None:
        await empty(rabbitmq.url)
        async with client(rabbitmq.url, "one") as one, client(rabbitmq.url, "other") as other:
            hands = Hands()
            async with one.consume(TASKS, hands.take, prefetch=1), other.consume(TASKS, hands.take, prefetch=1):
                for turn in range(2):
                    await until(lambda: one.problem() is None and other.problem() is None)
                    await asyncio.to_thread(rabbitmq.control, "delete_queue", TASKS.value)
                    async with client(rabbitmq.url, "third") as third:
                        for n in range(4):
                            await third.send(TASKS, b"%d of %d" % (n, turn))
                    left = {b"%d of %d" % (n, turn) for n in range(4)}
                    while left:
                        delivery = await hands.next()
                        left.discard(delivery.body)
                        await delivery.ack()

    run(scenario)
