import asyncio
from typing import Any

import pytest
from tests.gateway.kit import run

from levain_asgi.linger import App, Linger, Message

REFUSAL = b'{"status":413}'


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    """Reads one part of the body, answers in one message without a length."""
    await receive()
    await send({"type": "http.response.start", "status": 413, "headers": []})
    await send({"type": "http.response.body", "body": REFUSAL})


async def exchange(app: App, headers: list[tuple[bytes, bytes]], body: list[bytes | None]) -> tuple[list[Message], int]:
    """What was sent, and how many parts of the body were left; None waits for ever."""
    sent: list[Message] = []

    async def receive() -> Message:
        part = body.pop(0) if body else None
        if part is None:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": part, "more_body": part != b""}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "headers": headers}, receive, send)
    return sent, len(body)


def test_an_early_answer_goes_out_at_once_with_its_length_and_the_rest_is_read_to_nowhere() -> None:
    app = Linger(refusing)
    sent, left = run(exchange(app, [(b"transfer-encoding", b"chunked")], [b"x" * 1000, b"y" * 1000, b"z", b""]))
    assert sent[0]["headers"] == [(b"content-length", b"%d" % len(REFUSAL)), (b"connection", b"close")]
    assert [(m["body"], m["more_body"]) for m in sent[1:]] == [(REFUSAL, True), (b"", False)]
    assert left == 0


def test_a_client_that_stops_sending_is_waited_for_only_so_long() -> None:
    app = Linger(refusing, idle_seconds=0.05)
    sent, _ = run(exchange(app, [(b"content-length", b"1000000")], [b"x", b"y", None]), seconds=5)
    assert sent[-1]["more_body"] is False
    app = Linger(refusing, total_seconds=0.05)
    sent, _ = run(exchange(app, [(b"content-length", b"1000000")], [b"x", b"y", None]), seconds=5)
    assert sent[-1]["more_body"] is False


@pytest.mark.parametrize(
    ("headers", "closes"),
    [
        ([(b"content-length", b"2000")], False),
        ([(b"content-length", b"2000"), (b"expect", b"100-continue")], True),
        ([(b"content-length", b"100000")], True),
        ([(b"content-length", b"9" * 30)], True),
        ([(b"transfer-encoding", b"chunked")], True),
    ],
)
def test_a_connection_is_kept_only_where_little_is_still_to_come(headers: list[tuple[bytes, bytes]], closes: bool) -> None:
    sent, _ = run(exchange(Linger(refusing), headers, [b"x" * 1000, b"x" * 1000, b""]))
    assert ((b"connection", b"close") in sent[0]["headers"]) is closes


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"0")]])
def test_a_request_without_a_body_is_left_alone(headers: list[tuple[bytes, bytes]]) -> None:
    sent, _ = run(exchange(Linger(refusing), headers, [b""]))
    assert sent[0]["headers"] == []
    assert len(sent) == 2


def test_an_answer_after_the_whole_body_is_left_alone() -> None:
    async def reading(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        await refusing(scope, lambda: asyncio.sleep(0), send)

    sent, _ = run(exchange(Linger(reading), [(b"content-length", b"2")], [b"x", b"y", b""]))
    assert [len(sent), sent[0]["headers"]] == [2, []]
