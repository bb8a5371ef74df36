"""A viewer behind the gateway that stops reading: backpressure goes through the tunnel, and only that viewer pays for it."""

import asyncio
import itertools
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import psutil
import pytest
from tests.e2e.gateway_process import gateway_process
from tests.e2e.whole import Embedded, run, until
from tests.gateway.kit import upgrade
from tests.training.harness import Client, sales_csv

from levain.tokens import issuer_of
from levain_contracts.events import AnalysisData, Event, encode
from levain_contracts.report import DataReport

SECRET = "a secret that is long enough for these tests"
EVENTS = 2500  # of 10 kB each: 25 MB for each viewer
GATEWAY_MAY_GROW_BYTES = 12 * 1024 * 1024


def large_event(seq: int) -> bytes:
    report = DataReport(format="CSV", notes=("x" * 500,) * 20)
    return encode(Event("anna", "job", seq, datetime.now(UTC), 20, AnalysisData(total_products=1, report=report)))


async def stalled(port: int, token: str) -> socket.socket:
    """A raw connection with a tiny receive buffer that is never read after its handshake."""
    raw, loop = socket.socket(), asyncio.get_running_loop()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    raw.setblocking(False)
    await loop.sock_connect(raw, ("127.0.0.1", port))
    await loop.sock_sendall(raw, upgrade("/api/v1/tenants/anna/training/jobs/job/live", token))
    assert b" 101 " in await loop.sock_recv(raw, 100)
    return raw


class Reader:
    """A viewer that reads, and how many events it was sent."""

    def __init__(self, client: Client) -> None:
        self.seen = 0
        self.task = asyncio.create_task(self._read(client))

    async def _read(self, client: Client) -> None:
        async with client.live("job", max_msg_size=0) as socket:
            while self.seen < EVENTS:
                message = await socket.receive()
                assert message.type is aiohttp.WSMsgType.TEXT
                self.seen += json.loads(message.data)["type"] == "progress"


async def publish(whole: Embedded, readers: list[Reader], on_pause: Callable[[], None]) -> None:
    """No faster than the readers are, so that they are never the slow ones."""
    for sent in range(EVENTS):
        await whole.stack.broker.publish_event("training.progress", large_event(100 + sent))
        while sent % 20 == 0 and any(reader.seen < sent and not reader.task.done() for reader in readers):
            await asyncio.sleep(0.002)
        if sent % 20 == 0:
            on_pause()


def test_a_viewer_that_stops_reading_costs_the_others_nothing_and_the_gateways_memory_stays_bounded(tmp_path: Path) -> None:
    async def scenario(whole: Embedded) -> None:
        trainer = whole.client()
        await trainer.upload(sales_csv(["Brot 30s"]))
        await trainer.start("job", "slow")
        await trainer.wait_for("job", lambda job: job["stage"] == "training")
        async with gateway_process(whole.stack.service.port, issuer_of(SECRET)) as gateway:
            client = whole.client(port=gateway.port)
            raw = await stalled(gateway.port, client.token)
            readers = [Reader(client) for _ in range(3)]
            await until(lambda: whole.open_sockets[1] == 4)
            memory = psutil.Process(gateway.process.pid).memory_info
            before, grown = memory().rss, list[int]()
            await publish(whole, readers, lambda: grown.append(memory().rss - before))
            await asyncio.wait_for(asyncio.gather(*(reader.task for reader in readers)), 20)
            await until(lambda: whole.at_service("viewer_closes_total", code="4408") == 1)
            assert whole.at_service("frames_conflated_total") > 0
            assert max(grown) < GATEWAY_MAY_GROW_BYTES
            raw.close()
            await until(lambda: whole.open_sockets[1] == 0)
            async with whole.session.get(f"http://127.0.0.1:{gateway.metrics_port}/metrics") as answer:
                assert "levain_gateway_websockets_open 0.0" in await answer.text()

    options = {"slow_viewer_seconds": 0.5, "level_seconds": 60, "viewer_budget_bytes": 512 * 1024}
    run(scenario, tmp_path, secret=SECRET, service=options)


def test_a_viewer_that_never_reads_again_leaves_the_gateway_too_though_it_stays_connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's abort can't reach it through a tunnel that is full: the kernel ends a window that stays closed."""
    monkeypatch.setattr("levain_gateway.sockets._USER_TIMEOUT_MS", 4000)  # longer than the service is patient

    async def scenario(whole: Embedded) -> None:
        client = whole.client()
        await client.upload(sales_csv(["Brot 30s"]))
        await client.start("job", "slow")
        raw = await stalled(whole.stack.gateway.port, client.token)
        await until(lambda: whole.open_sockets == (1, 1))
        async with asyncio.timeout(15):
            for seq in itertools.count(100):
                await whole.stack.broker.publish_event("training.progress", large_event(seq))
                await asyncio.sleep(0.001)
                if whole.at_service("viewer_closes_total", code="4408") == 1:
                    break
        await until(lambda: whole.open_sockets == (0, 0), seconds=20)
        raw.close()

    run(scenario, tmp_path, service={"slow_viewer_seconds": 0.3, "level_seconds": 60, "viewer_budget_bytes": 64 * 1024})
