import asyncio
import json
from typing import Any

import pytest
from tests.gateway.kit import (
    LIVE,
    SWITCHING,
    Stub,
    answering,
    closing,
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
from websockets.exceptions import InvalidStatus

from levain_gateway import tunnel
from levain_gateway.handshake import close_frame

TEXT = b"\x81\x02hi"
ENDED = LIVE.replace("j1", "ended")


def test_a_frame_that_comes_in_one_read_with_the_101_is_never_lost() -> None:
    async def work() -> None:
        async with stub(answering(SWITCHING + TEXT + close_frame(1000, "done"))) as port, gateway(port) as server:
            for _ in range(100):
                answer = await exchange(server.port, upgrade(bearer=token()), pause_seconds=0)
                assert answer.endswith(b"\r\n\r\n" + TEXT + close_frame(1000, "done"))
            await until(lambda: metric(server, "websockets_closed_total", code="1000") == 100)

    run_on_both_loops(work)


def test_an_upstream_that_does_not_go_after_its_close_frame_holds_nobody() -> None:
    async def work() -> None:
        async with stub(answering(SWITCHING + close_frame(1000, "done"), silence)) as port, gateway(port) as server:
            assert (await exchange(server.port, upgrade(bearer=token()))).endswith(close_frame(1000, "done"))
            await until(lambda: metric(server, "websockets_open") == 0)

    run_on_both_loops(work)


def test_two_hundred_viewers_of_an_ended_job_get_all_of_it() -> None:
    async def work() -> None:
        async with stack() as at:
            for _ in range(10):
                for ended in await asyncio.gather(*(closing(at.port, token(), ENDED) for _ in range(20))):
                    assert ended.code == 1000
                    assert [frame["type"] for frame in ended.frames] == ["snapshot", "completed"]
            await until(lambda: metric(at.gateway, "websockets_open") == 0)
            assert metric(at.gateway, "websockets_closed_total", code="1000") == 200

    run(work())


def test_what_the_client_sends_right_behind_its_handshake_arrives() -> None:
    masked = b"\x81\x85\0\0\0\0hello"

    async def work() -> None:
        async with stack() as at:
            for parts in ([upgrade(bearer=token()) + masked], [upgrade(bearer=token()) + masked[:3], masked[3:]]):
                reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
                for part in parts:
                    writer.write(part)
                    await asyncio.sleep(0)
                assert b"hello" in await reader.readuntil(b"hello")
                writer.transport.abort()

    run_on_both_loops(work)


def test_a_client_that_sends_without_end_before_the_handshake_is_over_is_closed() -> None:
    async def work() -> None:
        async with stub(silence) as port, gateway(port) as server:
            answer = await exchange(server.port, upgrade(bearer=token()), bytes(200_000))
            assert close_frame(4400, "")[2:4] in answer
            await until(lambda: metric(server, "refusals_total", reason="too_much_too_early") == 1)
            assert metric(server, "websockets_open") == 0

    run(work())


WRONG: dict[str, tuple[bytes, int]] = {
    "no http": (b"SSH-2.0-x\r\n\r\n", 1013),
    "a status of 500": (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 1013),
    "a status of 200": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1013),
    "a status of 401": (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", 4401),
    "a status of 403": (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", 4403),
    "a status of 404": (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 4404),
    "another accept": (SWITCHING.replace(b"Accept: ", b"Accept: A"), 1013),
    "no accept": (SWITCHING.replace(b"Sec-WebSocket-Accept", b"X-Accept"), 1013),
    "two accepts": (SWITCHING.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Accept: x\r\n\r\n"), 1013),
    "another upgrade": (SWITCHING.replace(b": websocket", b": h2c"), 1013),
    "an extension": (SWITCHING.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), 1013),
    "a protocol not offered": (SWITCHING.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: chat\r\n\r\n"), 1013),
    "a broken header": (SWITCHING.replace(b"Upgrade: ", b"Upgrade "), 1013),
    "a head without end": (b"HTTP/1.1 101 x\r\n" + b"a: b\r\n" * 10_000, 1013),
    "half a head": (SWITCHING[:-4], 1013),
    "nothing": (b"", 1013),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_that_is_no_valid_101_closes_the_accepted_socket(name: str) -> None:
    answer, code = WRONG[name]

    async def work() -> None:
        async with stub(answering(answer)) as port, gateway(port) as server:
            ended = await closing_with_key(server.port)
            assert ended == code
            assert metric(server, "websockets_open") == 0
            await until(lambda: metric(server, "websockets_opened_total") == 0)

    run(work())


async def closing_with_key(port: int) -> int:
    answer = await exchange(port, upgrade(bearer=token()), pause_seconds=0)
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert rest[:1] == b"\x88", rest
    return int.from_bytes(rest[2:4], "big")


def test_an_upstream_that_is_down_is_1013() -> None:
    async def work() -> None:
        async with stub(silence) as port:
            pass
        async with gateway(port) as server:
            ended = await closing(server.port, token())
            assert (ended.code, ended.reason) == (1013, "The training service can't be reached: try again later")
            assert metric(server, "upstream_failures_total", kind="connect") == 1

    run(work())


def test_an_upstream_that_never_answers_is_1013_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "OPENING_SECONDS", 0.3)

    async def work() -> None:
        async with stub(silence) as port, gateway(port) as server:
            assert (await closing(server.port, token())).code == 1013
            assert metric(server, "upstream_failures_total", kind="timeout") == 1

    run(work())


def reset_after(sent: bytes) -> Stub:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCHING + sent)
        await asyncio.sleep(0.05)
        writer.transport.abort()

    return serve


@pytest.mark.parametrize("dies", [lambda sent: answering(SWITCHING + sent), reset_after], ids=["closes", "resets"])
def test_an_upstream_that_dies_between_two_frames_is_1013(dies: Any) -> None:
    async def work() -> None:
        async with stub(dies(TEXT * 3)) as port, gateway(port) as server:
            answer = await exchange(server.port, upgrade(bearer=token()), pause_seconds=0)
            assert answer.split(b"\r\n\r\n", 1)[1].startswith(TEXT * 3 + b"\x88")
            assert (1013).to_bytes(2, "big") in answer[-60:]
            await until(lambda: metric(server, "websockets_closed_total", code="1013") == 1)
            assert metric(server, "upstream_failures_total", kind="lost") == 1

    run_on_both_loops(work)


@pytest.mark.parametrize("dies", [lambda sent: answering(SWITCHING + sent), reset_after], ids=["closes", "resets"])
def test_an_upstream_that_dies_amid_a_frame_ends_the_socket_and_nothing_is_made_up(dies: Any) -> None:
    async def work() -> None:
        async with stub(dies(TEXT + b"\x81\x05hal")) as port, gateway(port) as server:
            answer = await exchange(server.port, upgrade(bearer=token()), pause_seconds=0)
            assert answer.endswith(b"\r\n\r\n" + TEXT + b"\x81\x05hal")
            await until(lambda: metric(server, "websockets_closed_total", code="1006") == 1)
            assert metric(server, "websockets_open") == 0

    run_on_both_loops(work)


def test_text_of_any_size_goes_both_ways_unchanged() -> None:
    async def work() -> None:
        async with stack() as at, watch(at.port, token(), max_size=None) as socket:
            assert await socket.recv() == '{"type":"snapshot"}'
            for size in (0, 1, 125, 126, 65_535, 65_536, 300_000):
                text = "ü" * (size // 2)
                await socket.send(text)
                assert await socket.recv() == text
            await socket.send(["frag", "men", "ted"])
            assert await socket.recv() == "fragmented"

    run_on_both_loops(work)


def test_the_close_code_of_either_end_reaches_the_other() -> None:
    async def work() -> None:
        async with stack() as at:
            assert (await closing(at.port, token(), LIVE.replace("j1", "unknown"))).code == 4404
            async with watch(at.port, token()) as socket:
                await socket.recv()
                await until(lambda: len(at.service.live) == 1)
                await socket.close(4001, "bye")
                assert socket.close_code == 4001
            await until(lambda: not at.service.live)
            await until(lambda: metric(at.gateway, "websockets_closed_total", code="other") == 1)

    run(work())


def test_a_client_that_stops_reading_stops_the_upstream_and_the_gateway_holds_little() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCHING)
        block = (b"\x81\x7e" + (60_000).to_bytes(2, "big") + bytes(60_000)) * 4
        while True:
            writer.write(block)
            await writer.drain()
            sent += len(block)

    async def work() -> None:
        async with stub(flood) as port, gateway(port) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            writer.write(upgrade(bearer=token()))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            before = -1
            while sent != before:  # until the kernel's buffers are full and nothing moves
                before = sent
                await asyncio.sleep(0.3)
            (held,) = server.gate.tunnels._present
            assert held._transport.get_write_buffer_size() <= 512 * 1024  # type: ignore[attr-defined]
            async with asyncio.timeout(10):
                while sent < before + 5_000_000:  # and once it reads, it goes on
                    await reader.read(1024 * 1024)
            writer.transport.abort()
            await until(lambda: metric(server, "websockets_open") == 0)

    run_on_both_loops(work)


def test_an_upstream_that_stops_reading_stops_the_client_and_the_gateway_holds_little() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCHING)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(30)

    async def work() -> None:
        async with stub(deaf) as port, gateway(port) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(upgrade(bearer=token()))
            await reader.readuntil(b"\r\n\r\n")
            sent = 0
            try:
                while sent < 200_000_000:
                    writer.write(bytes(200_000))
                    async with asyncio.timeout(1):
                        await writer.drain()
                    sent += 200_000
            except TimeoutError:
                pass
            assert sent < 100_000_000
            (held,) = server.gate.tunnels._present
            assert held._leg._transport.get_write_buffer_size() <= 512 * 1024  # type: ignore[attr-defined]
            writer.transport.abort()

    run_on_both_loops(work)


def test_a_plain_request_on_the_live_path_is_no_upgrade_and_a_post_never_is() -> None:
    async def work() -> None:
        async with stack() as at:
            answer = await exchange(at.port, upgrade(bearer=token(), Connection="close"))
            assert answer.split(b" ")[1] == b"404"
            answer = await exchange(
                at.port, upgrade(bearer=token(), Content_Length="0", Connection="close, upgrade").replace(b"GET", b"POST")
            )
            assert answer.split(b" ")[1] in (b"404", b"405")
            with pytest.raises(InvalidStatus):
                await closing(at.port, token(), headers={"Sec-WebSocket-Version": "12"})

    run(work())


def test_sockets_and_requests_share_one_connection_in_order() -> None:
    async def work() -> None:
        async with stack() as at:
            answer = await exchange(at.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + upgrade(ENDED, bearer=token()))
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"HTTP/1.1 101" in answer
            assert b'{"type":"completed"}' in answer

    run_on_both_loops(work)


def test_several_viewers_do_not_meet() -> None:
    async def work() -> None:
        async with stack() as at:
            sockets = [await watch(at.port, token()) for _ in range(20)]
            for number, socket in enumerate(sockets):
                await socket.send(json.dumps({"n": number}))
            for number, socket in enumerate(sockets):
                assert [json.loads(await socket.recv()) for _ in range(2)] == [{"type": "snapshot"}, {"n": number}]
            for socket in sockets:
                await socket.close()
                assert (await until_closed(socket)).code == 1000

    run(work())
