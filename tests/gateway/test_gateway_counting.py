import asyncio
import socket
import struct

import aiohttp
import pytest
from tests.gateway.kit import LIVE, closing, metric, run, run_on_both_loops, stack, token, until, upgrade, watch

from levain_gateway.metrics import Metrics


async def reset_amid_handshake(port: int, number: int) -> None:
    """Sends a part of the handshake, all of it, or all and more, then a reset."""
    request = upgrade(bearer=token())
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write([request[:40], request, request + b"\x81\x80mask"][number % 3])
    await asyncio.sleep(0.002 * (number % 4))
    abort(writer)


def abort(writer: asyncio.StreamWriter) -> None:
    """A reset, as from a process that was killed with unread bytes."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def abort_while_open(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(upgrade(bearer=token()))
    await reader.readuntil(b"snapshot")
    abort(writer)


def test_the_gauge_of_open_sockets_tells_the_truth_through_refusals_resets_and_aborts() -> None:
    async def work() -> None:
        async with stack() as at:
            lowest = 0.0
            viewers = [await watch(at.port, token()) for _ in range(5)]
            for _ in range(50):
                codes = await asyncio.gather(
                    closing(at.port, "bad"),
                    closing(at.port, token("other")),
                    closing(at.port, token(), headers={"Origin": "https://evil.example"}),
                    closing(at.port, token(), LIVE.replace("j1", "unknown")),
                )
                assert [ended.code for ended in codes] == [4401, 4403, 4403, 4404]
                lowest = min(lowest, metric(at.gateway, "websockets_open"))
            await asyncio.gather(*(reset_amid_handshake(at.port, number) for number in range(50)))
            await asyncio.gather(*(abort_while_open(at.port) for _ in range(50)))
            await until(lambda: metric(at.gateway, "websockets_open") == 5)
            for reason in ("token_invalid", "wrong_tenant", "bad_origin"):
                assert metric(at.gateway, "refusals_total", reason=reason) == 50
            assert metric(at.gateway, "websockets_closed_total", code="4404") == 50
            assert metric(at.gateway, "websockets_closed_total", code="1006") >= 50
            for viewer in viewers:
                await viewer.close()
            await until(lambda: metric(at.gateway, "websockets_open") == 0)
            await until(lambda: not at.gateway.gate.tunnels._present)
            await until(lambda: not at.service.live)
            assert lowest == 0
            opened = metric(at.gateway, "websockets_opened_total")
            closed = sum(
                s.value
                for m in at.gateway.metrics.registry.collect()
                for s in m.samples
                if s.name == "levain_gateway_websockets_closed_total"
            )
            assert opened == closed

    run_on_both_loops(work)


def test_metrics_have_their_own_port_and_every_label_from_the_start() -> None:
    async def work() -> None:
        async with stack(metrics_listen=("127.0.0.1", 0)) as at, aiohttp.ClientSession() as client:
            async with client.get(f"http://127.0.0.1:{at.gateway.metrics_port}/metrics") as answer:
                text = await answer.text()
            assert 'levain_gateway_websockets_closed_total{code="1012"} 0.0' in text
            assert 'levain_gateway_refusals_total{reason="two_tokens"} 0.0' in text
            assert "levain_gateway_websockets_open 0.0" in text
            async with client.get(at.url("/metrics")) as answer:
                assert answer.status == 404

    run(work())


def test_an_address_that_is_taken_leaves_nothing_open() -> None:
    async def work() -> None:
        async with stack() as at:
            with pytest.raises(OSError, match="in use"):
                async with stack(listen=("127.0.0.1", at.port), metrics_listen=("127.0.0.1", 0)):
                    pass

    run(work())


def test_two_gateways_in_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.connection_opened(0.1)
    assert second.registry.get_sample_value("levain_gateway_websockets_open") == 0
