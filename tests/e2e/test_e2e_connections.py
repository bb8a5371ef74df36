"""The count of live connections at gateway and service, and what clients may send on one."""

import asyncio
import json
import logging
import socket
import sys
from contextlib import AsyncExitStack

import aiohttp
import pytest
from tests.e2e.whole import OnStack, Whole, until
from tests.gateway.kit import upgrade
from tests.training.harness import Client, sales_csv

JUNK = ("[]", "123", "null", '"ping"', '{"type":["ping"]}', "{bad", "", "[" * 3000, '{"type":"pong"}')
# Opens so many live sockets, says so, and waits to be killed.
DOOMED = """
import socket, sys, time
port, count = int(sys.argv[1]), int(sys.argv[2])
head = sys.stdin.buffer.read()
opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
for one in opened:
    one.sendall(head)
    assert b" 101 " in one.recv(4096)
print("open", flush=True)
time.sleep(60)
"""


def live_path(whole: Whole) -> str:
    return f"/api/v1/tenants/{whole.tenant('anna')}/training/jobs/job/live"


async def long_job(whole: Whole) -> Client:
    client = whole.client()
    await client.upload(sales_csv(["Brot 30s"]))
    await client.start("job", "slow")
    return client


def test_what_is_no_message_of_ours_is_ignored_and_the_pong_comes(on_each_stack: OnStack, caplog: pytest.LogCaptureFixture) -> None:
    """Field case K07, on one socket."""

    async def scenario(whole: Whole) -> None:
        client = await long_job(whole)
        async with client.live("job") as live:
            for text in JUNK:
                await live.send_str(text)
            await live.send_bytes(b"\x00\xff")
            await live.send_str('{"type":"ping"}')
            types = []
            while "pong" not in types:
                message = await live.receive(timeout=5)
                assert message.type is aiohttp.WSMsgType.TEXT, message
                types.append(json.loads(message.data)["type"])
            assert types.count("pong") == 1

    on_each_stack(scenario)
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


async def _refused(whole: Whole, client: Client, times: int) -> None:
    bad_token, stranger = whole.client(), whole.client("bert")
    bad_token.token, stranger.base = "rubbish", client.base
    found = await asyncio.gather(
        *(c.watch(j) for c, j in ((bad_token, "job"), (stranger, "job"), (client, "unknown")) for _ in range(times))
    )
    assert [w.code for w in found] == [4401] * times + [4403] * times + [4404] * times
    for _ in range(times):
        headers = client.headers | {"Origin": "https://evil.example"}
        async with client.session.ws_connect(f"{client.base}/jobs/job/live", headers=headers) as live:
            await live.receive()
            assert live.close_code == 4403


async def _reset_amid_the_handshake(whole: Whole, token: str, times: int) -> None:
    head = upgrade(live_path(whole), token)
    for i in range(times):
        _, writer = await asyncio.open_connection("127.0.0.1", whole.port)
        writer.write(head[: len(head) * (i % 5) // 4])  # from nothing up to all of it
        await writer.drain()
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        writer.transport.abort()


async def _killed(whole: Whole, token: str, count: int) -> None:
    """Clients that are killed with SIGKILL while they watch."""
    command = [sys.executable, "-c", DOOMED, str(whole.port), str(count)]
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(upgrade(live_path(whole), token))
        process.stdin.close()
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"open\n"
        await until(lambda: whole.open_sockets == (5 + count, 5 + count))
    finally:
        process.kill()
        await process.wait()


async def _lowest(whole: Whole, seen: list[float]) -> None:
    while True:
        seen.append(min(whole.open_sockets))
        await asyncio.sleep(0.005)


def test_the_gauges_of_gateway_and_service_count_who_is_there_whatever_others_do(on_each_stack: OnStack) -> None:
    """Field case K15: 5 viewers; 200 refused, 50 reset amid their handshake, 50 killed."""

    async def scenario(whole: Whole) -> None:
        client, seen = await long_job(whole), list[float]()
        async with AsyncExitStack() as viewers:
            for _ in range(5):
                live = await viewers.enter_async_context(client.live("job"))
                assert (await live.receive_json())["type"] == "snapshot"
            watching = asyncio.create_task(_lowest(whole, seen))
            await _refused(whole, client, 50)
            await _reset_amid_the_handshake(whole, client.token, 50)
            await _killed(whole, client.token, 50)
            await until(lambda: whole.open_sockets == (5, 5))
        await until(lambda: whole.open_sockets == (0, 0))
        watching.cancel()
        assert min(seen) >= 0
        for reason in ("token_invalid", "wrong_tenant", "bad_origin"):
            assert whole.at_gateway("refusals_total", reason=reason) == 50
        assert whole.at_service("viewer_refusals_total", reason="no_such_job") == 50
        assert whole.at_gateway("websockets_closed_total", code="4404") == 50

    on_each_stack(scenario)
