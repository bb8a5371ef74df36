import asyncio
import json

import aiohttp
import pytest
from tests.gateway.kit import (
    JOBS,
    SWITCHING,
    Ended,
    exchange,
    gateway,
    metric,
    run,
    run_on_both_loops,
    silence,
    stack,
    stub,
    token,
    until,
    until_closed,
    upgrade,
    watch,
)

from levain_contracts.closecodes import retry_ms
from levain_gateway.handshake import close_frame


def test_every_socket_closes_with_1012_and_a_retry_ms_and_none_with_1006() -> None:
    async def work() -> None:
        async with stack() as at:
            sockets = [await watch(at.port, token()) for _ in range(60)]
            ends = [asyncio.create_task(until_closed(socket)) for socket in sockets]
            await until(lambda: metric(at.gateway, "websockets_open") == 60)
            await at.gateway.stop(0.5)
            answers: list[Ended] = await asyncio.gather(*ends)
            assert {answer.code for answer in answers} == {1012}
            pauses = [retry_ms(answer.reason) for answer in answers]
            assert None not in pauses
            assert len(set(pauses)) > 20
            assert metric(at.gateway, "websockets_open") == 0
            assert metric(at.gateway, "websockets_closed_total", code="1012") == 60
            await until(lambda: not at.service.live)

    run_on_both_loops(work)


def test_while_it_drains_it_is_not_ready_and_a_new_socket_gets_1012() -> None:
    async def work() -> None:
        async with stack() as at, aiohttp.ClientSession() as client, watch(at.port, token()) as socket:
            await socket.recv()
            await until(lambda: at.gateway.gate.ready)
            stopping = asyncio.create_task(at.gateway.gate.tunnels.drain(30))
            await asyncio.sleep(0.05)
            async with client.get(at.url("/readyz")) as answer:
                assert (answer.status, await answer.text()) == (503, "draining\n")
            async with client.get(at.url("/healthz")) as answer:
                assert answer.status == 200
            async with watch(at.port, token()) as late:
                ended = await until_closed(late)
            assert ended.code == 1012
            assert retry_ms(ended.reason) is not None
            stopping.cancel()

    run(work())


def test_a_frame_that_is_under_way_is_finished_before_the_close_frame() -> None:
    async def work() -> None:
        rest = asyncio.Event()

        async def halves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(SWITCHING + b"\x81\x05hal")
            await rest.wait()
            writer.write(b"ve\x81\x03not")
            await silence(reader, writer)

        async with stub(halves) as port, gateway(port) as server:
            client = asyncio.create_task(exchange(server.port, upgrade(bearer=token())))
            await until(lambda: metric(server, "websockets_open") == 1)
            await asyncio.sleep(0.1)
            stopping = asyncio.create_task(server.stop(0))
            await asyncio.sleep(0.2)
            rest.set()
            answer = await client
            await stopping
            body = answer.split(b"\r\n\r\n", 1)[1]
            assert body.startswith(b"\x81\x05halve\x88")
            assert body[9:11] == close_frame(1012, "")[2:4]

    run_on_both_loops(work)


def test_a_peer_that_does_nothing_at_all_does_not_hold_the_drain() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCHING)
        while True:
            writer.write(b"\x81\x7e\xff\x00" + bytes(0xFF00))
            await writer.drain()

    async def work() -> None:
        async with stub(flood) as port, gateway(port) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1)
            writer.write(upgrade(bearer=token()))
            await until(lambda: metric(server, "websockets_open") == 1)
            await asyncio.sleep(0.3)
            async with asyncio.timeout(6):
                await server.stop(0.2)
            assert metric(server, "websockets_open") == 0
            writer.transport.abort()

    run(work())


def test_a_request_in_flight_is_answered_and_an_endless_one_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.5 if b"/quick" in head else 30)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async def get(port: int, path: str) -> str:
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}{path}?token={token()}") as answer:
            return await answer.text()

    async def work() -> None:
        async with stub(slow) as port, gateway(port) as server:
            quick = asyncio.create_task(get(server.port, f"{JOBS}/quick"))
            endless = asyncio.create_task(get(server.port, f"{JOBS}/endless"))
            await asyncio.sleep(0.1)
            async with asyncio.timeout(8):
                await server.stop(0)
            assert await quick == "ok"
            assert json.loads(await endless)["code"] == "restarting"

    run(work())
    assert "Exception in ASGI" not in caplog.text


def test_a_gateway_can_be_started_and_stopped_many_times_in_one_loop() -> None:
    async def work() -> None:
        async with stub(silence) as port:
            for _ in range(3):
                async with gateway(port) as server:
                    assert (await exchange(server.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).endswith(b"ok\n")
            await asyncio.sleep(0.1)
            assert len(asyncio.all_tasks()) <= 8

    run(work())
