import asyncio
import hashlib
import http.client
import io
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
from tests.gateway.kit import (
    JOBS,
    UPLOAD,
    UPLOAD_LIMIT_BYTES,
    Stack,
    answering,
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
)

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
CSV = b"date,product,quantity\n" + b"".join(b"2024-01-%02d,Brot,%d\n" % (day % 28 + 1, day) for day in range(2000))
BIG_BYTES = 200 * 1024 * 1024


def bearer() -> dict[str, str]:
    return {"Authorization": f"Bearer {token()}"}


def post(path: str, body: bytes, *more: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token()}\r\nContent-Length: {len(body)}\r\n".encode()
    return head + b"".join(more) + b"\r\n" + body


@pytest.mark.parametrize("path", [JOBS, UPLOAD])
@pytest.mark.parametrize("cut", ["one write", "head, then body", "in the middle of the body", "byte by byte at first"])
def test_a_client_that_offers_h2c_gets_the_same_answer_as_without(path: str, cut: str) -> None:
    async def work() -> None:
        async with stack() as at:
            answers = []
            for more in ([], [H2C]):
                request = post(path, CSV, *more) + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                end = request.index(b"\r\n\r\n") + 4
                cuts = {"one write": [], "head, then body": [end], "in the middle of the body": [end + 900]}.get(cut, list(range(1, 60)))
                parts = [request[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
                answers.append(await exchange(at.port, *parts, pause_seconds=0.002))
            plain, offering = (answer.partition(b"\r\n\r\n")[2] for answer in answers)
            assert answers[0].split(b" ")[1] == answers[1].split(b" ")[1]
            assert answers[0].split(b" ")[1] in (b"200", b"201")
            assert str(len(CSV)).encode() in plain
            assert plain.split(b"}")[0] == offering.split(b"}")[0]
            assert b"HTTP/1.1 200" in plain
            assert b"HTTP/1.1 200" in offering

    run(work())


def test_bodies_go_through_whole_and_streamed_in_both_directions() -> None:
    async def work() -> None:
        body = bytes(range(256)) * 40_000

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 99_999):
                yield body[start : start + 99_999]

        async with stack() as at, aiohttp.ClientSession(headers=bearer()) as client:
            for data in (io.BytesIO(body), chunks()):
                async with client.post(at.url(JOBS), data=data) as answer:
                    assert await answer.json() == {"received": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            async with client.get(at.url(f"{JOBS}/stream")) as answer:
                assert await answer.read() == b"".join(b"%05d" % n * 200 for n in range(1000))
                assert answer.headers["Transfer-Encoding"] == "chunked"

    run(work())


def test_heads_go_on_as_they_came_but_for_who_asks() -> None:
    async def work() -> None:
        async with stack() as at:
            more = [
                b"X-Forwarded-For: 6.6.6.6\r\n",
                b"Forwarded: for=6.6.6.6\r\n",
                b"X-Request-ID: my-id.1\r\n",
                b"Idempotency-Key: k1\r\n",
            ]
            answer = await exchange(at.port, post(f"{JOBS}?a=%2Fb&&c[]=d", b"x", *more, b"Connection: close\r\n"))
            (query, headers) = at.service.heads[0]
            assert query == "a=%2Fb&&c[]=d"
            assert b"x-request-id: my-id.1" in answer.lower()
            assert headers | {"authorization": ""} == {
                "host": "x",
                "content-length": "1",
                "authorization": "",
                "idempotency-key": "k1",
                "x-request-id": "my-id.1",
                "x-forwarded-for": "127.0.0.1",
                "x-forwarded-proto": "http",
                "x-forwarded-host": "x",
            }

    run(work())


def test_an_error_of_the_upstream_is_passed_on_as_it_is_and_redirects_and_encodings_too() -> None:
    lines = [
        b"HTTP/1.1 302 Found",
        b"Location: /x",
        b"Content-Encoding: gzip",
        b"Set-Cookie: a=1",
        b"Set-Cookie: b=2",
        b"Content-Length: 3",
    ]
    packed = b"\r\n".join([*lines, b"", b"abc"])

    async def work() -> None:
        async with stack() as at, aiohttp.ClientSession(headers=bearer()) as client, client.get(at.url(f"{JOBS}/boom")) as answer:
            assert (answer.status, await answer.json()) == (500, {"title": "boom"})
        async with stub(answering(packed)) as port, gateway(port) as server:
            request = f"GET {JOBS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token()}\r\n\r\n".encode()
            answer_bytes = await exchange(server.port, request)
            for line in lines[1:]:
                assert line.lower() in answer_bytes.lower()
            assert answer_bytes.endswith(b"\r\n\r\nabc")

    run(work())


async def refused(port: int, method: str = "GET", data: bytes | None = None) -> tuple[int, str]:
    url = f"http://127.0.0.1:{port}{JOBS}"
    async with aiohttp.ClientSession(headers=bearer()) as client, client.request(method, url, data=data) as answer:
        assert answer.headers["Content-Type"] == "application/problem+json"
        return answer.status, (await answer.json())["code"]


def test_an_upstream_that_is_down_or_talks_nonsense_is_502() -> None:
    async def work() -> None:
        async with stub(silence) as port:
            pass
        async with gateway(port) as server:
            assert await refused(server.port) == (502, "upstream_unavailable")
            assert await refused(server.port, "POST", b"x" * 1_000_000) == (502, "upstream_unavailable")
            assert metric(server, "upstream_failures_total", kind="connect") == 2
        for nonsense in (b"", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"):
            async with stub(answering(nonsense)) as port, gateway(port) as server:
                assert await refused(server.port) == (502, "upstream_unavailable")

    run(work())


def test_an_upstream_that_never_answers_is_504_and_a_client_that_never_sends_is_408() -> None:
    async def work() -> None:
        async with stub(silence) as port, gateway(port, idle_seconds=0.3) as server:
            assert await refused(server.port) == (504, "upstream_timeout")
            assert await refused(server.port, "POST", b"x" * 1000) == (504, "upstream_timeout")
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(post(JOBS, b"x" * 500_000)[:1000])
            assert (await reader.readuntil(b"request_timeout")).split(b" ")[1] == b"408"
            writer.transport.abort()
            assert metric(server, "refusals_total", reason="request_timeout") == 1

    run(work())


@pytest.mark.parametrize(
    "cut", [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"]
)
def test_an_upstream_that_dies_amid_its_answer_is_no_complete_answer(cut: bytes) -> None:
    async def work() -> None:
        async with stub(answering(cut)) as port, gateway(port) as server, aiohttp.ClientSession(headers=bearer()) as client:
            async with client.get(f"http://127.0.0.1:{server.port}{JOBS}") as answer:
                assert answer.status == 200
                with pytest.raises(aiohttp.ClientPayloadError):
                    await answer.read()
            await until(lambda: metric(server, "upstream_failures_total", kind="lost") == 1)

    run(work())


def test_a_client_that_leaves_ends_the_upstream_request_too() -> None:
    ended = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"readyz" in await reader.readuntil(b"\r\n\r\n"):
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"3e8\r\n" + bytes(1000) + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.001)
        finally:
            ended.set()

    async def work() -> None:
        async with stub(endless) as port, gateway(port) as server:
            async with aiohttp.ClientSession(headers=bearer()) as client, client.get(f"http://127.0.0.1:{server.port}{JOBS}") as answer:
                await answer.content.read(10)
                answer.close()
            await asyncio.wait_for(ended.wait(), 5)

    run_on_both_loops(work)


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sparse file."""
    path = tmp_path_factory.mktemp("big") / "big.csv"
    with path.open("wb") as file:
        file.truncate(BIG_BYTES)
    return path


async def curl(at: Stack, *options: str) -> tuple[int, int, str]:
    """curl's exit code, the status and the body."""
    command = ["curl", "-sS", "-q", "--noproxy", "*", "-o", "-", "-w", "\n%{http_code}", "-H", f"Authorization: Bearer {token()}", *options]
    process = await asyncio.create_subprocess_exec(*command, at.url(UPLOAD), stdout=asyncio.subprocess.PIPE)
    body, _, status = (await process.communicate())[0].decode().rpartition("\n")
    return process.returncode or 0, int(status), body


WAYS: list[list[str]] = [
    ["-H", "Expect:"],
    ["-H", "Expect:", "-H", "Transfer-Encoding: chunked"],
    ["-H", "Expect: 100-continue"],
    ["-H", "Expect:", "-H", "Connection: close"],
]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("way", WAYS, ids=["length", "chunked", "continue", "close"])
def test_a_413_that_comes_while_curl_still_sends_reaches_it_and_memory_stays_flat(way: list[str], big: Path) -> None:
    async def work() -> None:
        async with stack() as at:
            assert (await curl(at, *way, "--data-binary", "@-"))[1] in (201, 422)  # warm
            before = psutil.Process().memory_info().rss
            for _ in range(2):
                code, status, body = await curl(at, *way, "--data-binary", f"@{big}")
                assert (code, status) == (0, 413)
                assert str(UPLOAD_LIMIT_BYTES) in json.loads(body)["detail"]
            assert psutil.Process().memory_info().rss - before < 40 * 1024 * 1024
            async with aiohttp.ClientSession(headers=bearer()) as client, client.put(at.url(UPLOAD), data=CSV) as answer:
                assert (answer.status, await answer.json()) == (201, {"received": len(CSV)})

    run_on_both_loops(work)


def send_all_then_read(port: int, chunked: bool) -> tuple[int, str]:
    """As many HTTP clients do: nothing is read before everything is sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    body = (bytes(100_000) for _ in range(600))
    headers = bearer() | ({} if chunked else {"Content-Length": str(60_000_000)})
    connection.request("PUT", UPLOAD, body, headers, encode_chunked=chunked)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


@pytest.mark.parametrize("chunked", [True, False])
def test_a_413_reaches_a_client_that_sends_everything_before_it_reads(chunked: bool) -> None:
    async def work() -> None:
        async with stack() as at:
            status, body = await asyncio.to_thread(send_all_then_read, at.port, chunked)
            assert status == 413
            assert "limit" in body

    run(work())


def test_our_own_refusal_of_a_large_upload_reaches_the_client_as_well() -> None:
    async def work() -> None:
        async with stack() as at:
            for path, status in [(UPLOAD.replace("acme", "other"), 403), ("/api/v1/nothing", 404), ("/", 404)]:
                connection = http.client.HTTPConnection("127.0.0.1", at.port, timeout=20)
                body = (bytes(100_000) for _ in range(300))

                def send(connection: http.client.HTTPConnection = connection, path: str = path, body: object = body) -> int:
                    connection.request("PUT", path, body, bearer(), encode_chunked=True)  # type: ignore[arg-type]
                    answer = connection.getresponse()
                    answer.read()
                    connection.close()
                    return answer.status

                assert await asyncio.to_thread(send) == status

    run(work())


def test_a_small_refused_body_costs_no_connection() -> None:
    async def work() -> None:
        async with stack() as at:
            request = post(JOBS.replace("acme", "other"), b"x" * 1000)
            answer = await exchange(at.port, request, request, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert answer.count(b"HTTP/1.1 403") == 2
            assert answer.count(b"HTTP/1.1 200") == 1

    run(work())


def test_a_head_that_never_ends_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("levain_gateway.http_protocol.HEAD_SECONDS", 0.2)

    async def work() -> None:
        async with stack() as at:
            for parts in ([], [b"GET / HT"], [b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /heal"]):
                async with asyncio.timeout(4):
                    await exchange(at.port, *parts)

    run(work())
