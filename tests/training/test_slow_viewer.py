"""A viewer that stops reading harms only itself; a dead one dies."""

import asyncio
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.training.harness import Client, Stack, abort, run, sales_csv

from levain_contracts.events import AnalysisData, Event, encode
from levain_contracts.report import DataReport
from levain_training.wire import AsgiSocket, LiveSocketProtocol, payloads_of, text_frame

EVENTS = 1000


def large_event(seq: int) -> bytes:
    """About 10 kB: more than all buffers of a connection after some hundred of them."""
    report = DataReport(format="CSV", notes=("x" * 500,) * 20)
    return encode(Event("anna", "job", seq, datetime.now(UTC), 20, AnalysisData(total_products=1, report=report)))


async def stalled(client: Client, stack: Stack) -> socket.socket:
    """A raw connection with a tiny receive buffer that is never read after its handshake."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", stack.service.port))
    path = client.base.split(str(stack.service.port))[1] + "/jobs/job/live"
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    head += f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {client.token}\r\n\r\n"
    await loop.sock_sendall(raw, head.encode())
    assert b" 101 " in await loop.sock_recv(raw, 100)
    return raw


@pytest.mark.parametrize("raw_frames", [True, False], ids=["raw frames", "plain ASGI"])
def test_a_viewer_that_stops_reading_costs_the_others_nothing_and_is_aborted_and_counted(
    tmp_path: Path, raw_frames: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not raw_frames:
        monkeypatch.setattr("levain_training.live.EXTENSION", "not there")

    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot 30s"]))
        await client.start("job", "slow")
        raw = await stalled(client, stack)
        async with client.live("job", max_msg_size=0) as reader:
            await reader.receive()
            received = asyncio.create_task(_count(reader, EVENTS))
            for seq in range(100, 100 + EVENTS):
                await stack.broker.publish_event("training.progress", large_event(seq))
            assert await asyncio.wait_for(received, 20) == EVENTS
            async with asyncio.timeout(10):
                while stack.metric("levain_training_viewer_closes_total", code="4408") < 1:
                    await asyncio.sleep(0.05)
            assert stack.metric("levain_training_viewers") == 1
            assert stack.metric("levain_training_frames_conflated_total") > 0
        raw.close()

    run(scenario, tmp_path, slow_viewer_seconds=0.5, level_seconds=60, viewer_budget_bytes=128 * 1024)


async def _count(reader: object, wanted: int) -> int:
    seen = 0
    while seen < wanted:
        message = await reader.receive_json()  # type: ignore[attr-defined]
        seen += message["type"] == "progress"
    return seen


def test_a_peer_that_answers_no_ping_is_aborted(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot 9s"]))
        await client.start("job", "slow")
        raw = await stalled(client, stack)
        async with asyncio.timeout(10):
            while not stack.metric("levain_training_viewer_closes_total", code="1006"):
                await asyncio.sleep(0.05)
        assert stack.metric("levain_training_viewers") == 0
        raw.close()

    run(scenario, tmp_path, ping_seconds=0.3)


def test_the_gauge_of_viewers_counts_only_who_was_admitted(tmp_path: Path) -> None:
    """Field case K15: refused and reset connections never lower a gauge that they never raised."""

    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot 30s"]))
        await client.start("job", "slow")
        sockets = [await client.live("job") for _ in range(5)]
        bad = stack.client("bert")
        bad.base = client.base
        for _ in range(10):
            await asyncio.gather(*(bad.watch("job") for _ in range(5)), *(client.watch("nope") for _ in range(5)))
        for _ in range(30):
            half_open = socket.create_connection(("127.0.0.1", stack.service.port))
            half_open.sendall(b"GET /api/v1/tenants/anna/training/jobs/job/live HTTP/1.1\r\nHost: x\r\nUpgr")
            half_open.close()
        doomed = [await client.live("job") for _ in range(20)]
        for one in doomed:
            abort(one)
            await one.close()
        async with asyncio.timeout(10):
            while stack.metric("levain_training_viewers") != 5:
                await asyncio.sleep(0.02)
        for one in sockets:
            await one.close()
        async with asyncio.timeout(10):
            while stack.metric("levain_training_viewers"):
                await asyncio.sleep(0.02)
        assert stack.metric("levain_training_viewer_refusals_total", reason="forbidden") == 50
        assert stack.metric("levain_training_viewer_refusals_total", reason="no_such_job") == 50

    run(scenario, tmp_path)


def test_a_tenant_can_not_take_all_sockets(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        anna, bert = stack.client(), stack.client("bert")
        for client in (anna, bert):
            await client.upload(sales_csv(["Brot 30s"]))
            await client.start("job", "slow")
        held = [await anna.live("job") for _ in range(3)]
        for one in held:
            await one.receive()
        assert (await anna.watch("job")).code == 4429
        async with bert.live("job") as other:
            assert (await other.receive_json())["type"] == "snapshot"
        for one in held:
            await one.close()

    run(scenario, tmp_path, max_viewers_per_tenant=3)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_raw_frame_is_what_the_library_would_write(size: int) -> None:
    from websockets.frames import Frame, Opcode

    payload = b"x" * size
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)
    assert list(payloads_of(text_frame(b"before") + text_frame(payload) + text_frame(b"behind"))) == [b"before", payload, b"behind"]


def test_both_sockets_offer_the_same_to_the_hub() -> None:
    offered = {"write", "limit", "close", "abort", "on_full", "on_drain"}
    assert offered <= set(dir(LiveSocketProtocol))
    assert offered <= {*dir(AsgiSocket), *vars(AsgiSocket(None))}  # type: ignore[arg-type]
