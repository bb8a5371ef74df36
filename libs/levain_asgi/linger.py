"""An answer that comes while the client still sends: it goes out at once, and the rest of the body is read to nowhere for a while.

Closing at once would make the kernel answer the unread bytes with a reset, and the reset takes the answer away before it is read.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

IDLE_SECONDS = 5.0
TOTAL_SECONDS = 30.0  # as nginx's lingering_time
TOTAL_BYTES = 1024**3
_SMALL_BYTES = 64 * 1024  # so little is on its way already: the connection can be kept


class Linger:
    """Pure ASGI. The answer reaches the client at once when it has a Content-Length or is one body message; another one ends late."""

    def __init__(self, app: App, *, idle_seconds: float = IDLE_SECONDS, total_seconds: float = TOTAL_SECONDS) -> None:
        self._app = app
        self._idle_seconds = idle_seconds
        self._total_seconds = total_seconds

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope["headers"]):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send, _is_small(scope["headers"]), self._idle_seconds, self._total_seconds)
        await self._app(scope, exchange.receive, exchange.send)


class _Exchange:
    def __init__(self, receive: Receive, send: Send, small: bool, idle_seconds: float, total_seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._small = small
        self._idle_seconds = idle_seconds
        self._total_seconds = total_seconds
        self._all_received = False
        self._start: Message | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._all_received = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._all_received:
            self._start = message  # held until the first part of the body says how long it is
            return
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if self._start is not None:
            start, self._start = self._start, None
            await self._send(self._early(start, len(message.get("body", b"")) if last else None))
        if not last or self._all_received:
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._discard()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _early(self, start: Message, length: int | None) -> Message:
        headers = list(start.get("headers", ()))
        names = {bytes(name).lower() for name, _ in headers}
        if length is not None and not names & {b"content-length", b"transfer-encoding"} and start["status"] not in (204, 304):
            headers.append((b"content-length", b"%d" % length))
        if not self._small and not self._all_received:
            headers = [(name, value) for name, value in headers if bytes(name).lower() != b"connection"] + [(b"connection", b"close")]
        return {**start, "headers": headers}

    async def _discard(self) -> None:
        received = 0
        try:
            async with asyncio.timeout(self._total_seconds):
                while not self._all_received and received < TOTAL_BYTES:
                    async with asyncio.timeout(self._idle_seconds):
                        received += len((await self.receive()).get("body", b""))
        except TimeoutError:
            pass


def _has_body(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0") for name, value in headers)


def _is_small(headers: list[tuple[bytes, bytes]]) -> bool:
    """Nothing is certain of a body in chunks, nor whether it comes at all where 100-continue was asked for."""
    lengths = [value.strip() for name, value in headers if name == b"content-length"]
    if any(name in (b"transfer-encoding", b"expect") for name, _ in headers) or len(lengths) != 1:
        return False
    return lengths[0].isdigit() and len(lengths[0]) < 9 and int(lengths[0]) <= _SMALL_BYTES
