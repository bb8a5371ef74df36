"""Gateway and service go and come back under their viewers: 1012 for all, never 1006, and nothing is lost."""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import aiohttp
from tests.e2e.whole import Embedded, assert_equal_to_store, run, until
from tests.training.harness import Client, sales_csv

from levain import embedded
from levain_contracts.closecodes import retry_ms
from levain_settings.readers import Listen
from levain_training.service import TrainingService

VIEWERS = 50
WINDOW_SECONDS = 0.5
SECRET = "a secret that is long enough for these tests"
HERE = "127.0.0.1"


class Ended(NamedTuple):
    code: int | None
    retry_ms: int | None
    frames: int


async def to_the_end(client: Client) -> Ended:
    frames = 0
    async with client.live("job") as socket:
        while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            frames += 1
            assert json.loads(message.data)["job_id"] == "job"  # whole frames only
        reason = message.extra or "" if message.type is aiohttp.WSMsgType.CLOSE else ""
        return Ended(socket.close_code, retry_ms(reason), frames)


async def stream_of_events(whole: Embedded) -> None:
    """A job whose products end by the hundred each second, until long after the test."""
    client = whole.client()
    await client.upload(sales_csv([f"Brot {i} 0.01s" for i in range(1500)], days=30))
    await client.start("job", "slow")
    await client.wait_for("job", lambda job: job["products_completed"] >= 10)


async def _all_watch(whole: Embedded, clients: list[Client]) -> list[asyncio.Task[Ended]]:
    watching = [asyncio.create_task(to_the_end(client)) for client in clients]
    await until(lambda: whole.open_sockets[1] == len(clients))
    await asyncio.sleep(0.3)
    return watching


def _assert_all_are_sent_away(ends: list[Ended], most_ms: int) -> None:
    assert [end.code for end in ends] == [1012] * VIEWERS
    assert all(end.retry_ms is not None and 0 <= end.retry_ms <= most_ms for end in ends)
    assert len({end.retry_ms for end in ends}) > 10  # their return is spread
    assert all(end.frames >= 2 for end in ends)


def test_a_gateway_that_stops_amid_a_stream_of_events_sends_all_away_with_1012_and_a_pause(tmp_path: Path) -> None:
    async def scenario(whole: Embedded) -> None:
        await stream_of_events(whole)
        watching = await _all_watch(whole, [whole.client()] * VIEWERS)
        await whole.stack.gateway.stop(WINDOW_SECONDS)
        _assert_all_are_sent_away(await asyncio.gather(*watching), 1000)
        await until(lambda: whole.open_sockets == (0, 0))
        assert whole.at_gateway("websockets_closed_total", code="1012") == VIEWERS
        assert whole.at_gateway("websockets_closed_total", code="1006") == 0

    run(scenario, tmp_path)


def test_a_service_that_stops_amid_a_stream_of_events_sends_all_away_with_1012_through_the_gateway_too(tmp_path: Path) -> None:
    async def scenario(whole: Embedded) -> None:
        await stream_of_events(whole)
        ports = [whole.stack.gateway.port, whole.stack.service.port]
        watching = await _all_watch(whole, [whole.client(port=port) for port in ports for _ in range(VIEWERS // 2)])
        await whole.stack.service.stop(WINDOW_SECONDS)
        _assert_all_are_sent_away(await asyncio.gather(*watching), 100 + int(WINDOW_SECONDS * 1000))
        await until(lambda: whole.open_sockets == (0, 0))
        assert whole.at_service("viewer_closes_total", code="1012") == VIEWERS
        assert whole.at_service("viewer_closes_total", code="1006") == 0
        assert whole.at_gateway("websockets_closed_total", code="1012") == VIEWERS // 2
        assert whole.at_gateway("websockets_closed_total", code="1006") == 0

    run(scenario, tmp_path)


NAMES = [f"Brot {i} 0.1s" for i in range(40)]


async def _begun(whole: Embedded) -> None:
    client = whole.client()
    await client.upload(sales_csv(NAMES))
    await client.start("job", "slow")


async def _restarted_service(whole: Embedded) -> TrainingService:
    """On the same store, port and broker. It has to be stopped."""
    old = whole.stack.service
    await old.stop(WINDOW_SECONDS)
    await asyncio.sleep(1)  # results come meanwhile, and wait in the broker
    service = TrainingService(replace(old.settings, listen=Listen(HERE, old.port)), whole.stack.broker)
    await service.start()
    return service


def test_viewers_of_a_service_that_restarts_amid_a_job_come_back_and_end_equal_to_the_store(tmp_path: Path) -> None:
    async def scenario(whole: Embedded) -> None:
        await _begun(whole)
        async with AsyncExitStack() as leaving:
            viewers = [await leaving.enter_async_context(whole.viewer("job")) for _ in range(10)]
            await until(lambda: all(v.heard_frames >= 3 for v in viewers))
            service = await _restarted_service(whole)
            leaving.push_async_callback(service.stop, 0)
            states = await asyncio.gather(*(v.task for v in viewers))
            assert all(any("contact lost" in note for note in v.notes) for v in viewers)
            await assert_equal_to_store(states, whole.client(), "job")
            assert (states[0].products_completed, states[0].products_failed) == (40, 0)

    run(scenario, tmp_path)


def test_viewers_of_a_stack_that_restarts_with_an_empty_broker_end_equal_to_the_store(tmp_path: Path) -> None:
    """What was out with the old broker is handed out again."""

    async def scenario(first: Embedded) -> None:
        await _begun(first)
        async with AsyncExitStack() as leaving:
            viewers = [await leaving.enter_async_context(first.viewer("job")) for _ in range(10)]
            await until(lambda: all(v.heard_frames >= 3 for v in viewers))
            before = {name: end for name, end in (await first.client().ends("job")).items() if end["status"] != "pending"}
            port = first.stack.gateway.port
            await first.stack.stop()
            async with embedded.running(tmp_path, secret=SECRET, listen=Listen(HERE, port)) as stack:
                second = Embedded(stack, first.session)
                states = await asyncio.gather(*(v.task for v in viewers))
                await assert_equal_to_store(states, second.client(), "job")
                assert (states[0].products_completed, states[0].products_failed) == (40, 0)
                after = await second.client().ends("job")
                assert {name: after[name] for name in before} == before

    run(scenario, tmp_path, secret=SECRET, drain_seconds=WINDOW_SECONDS)
