"""uvicorn's WebSocket protocol, opened up so that one encoded frame can be written to many sockets.

An ASGI `send` per viewer costs a dict, a coroutine and an encoding each; here the fan-out is `transport.write` of the same
bytes. The app finds the connection in `scope["extensions"]["levain.socket"]`; elsewhere `AsgiSocket` does the same by `send`.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Protocol, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from levain_training.hub import Write

EXTENSION = "levain.socket"
ABNORMAL = 1006  # gone without a close frame (RFC 6455 §7.4.1)
# What the kernel holds for a peer that does not read; left to itself it grows to 4 MiB before we notice anything.
SEND_BUFFER_BYTES = 128 * 1024

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def text_frame(payload: bytes) -> bytes:
    """An unmasked, final text frame (RFC 6455 §5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def payloads_of(wire: bytes) -> Iterator[bytes]:
    """The other way: what `text_frame` was given for each of these frames."""
    start = 0
    while start < len(wire):
        short = wire[start + 1]
        head = {126: 4, 127: 10}.get(short, 2)
        end = start + head + (short if head == 2 else int.from_bytes(wire[start + 2 : start + head], "big"))
        yield wire[start + head : end]
        start = end


class Socket(Protocol):
    """A live connection as the service uses it.

    It calls `on_full` when more than its budget waits in its buffer, and `on_drain` when that has mostly gone.
    """

    on_full: Callable[[], None]
    on_drain: Callable[[], None]

    @property
    def silent(self) -> bool:
        """It was dropped, since the peer answered no ping."""

    @property
    def write(self) -> Write:
        """Takes whole frames, one or more, as `text_frame` makes them. Not to be called after `close` or `abort`."""

    def limit(self, budget_bytes: int) -> None: ...

    def close(self, code: int, reason: str = "") -> None:
        """Starts the closing handshake behind what was written."""

    def abort(self) -> None:
        """Drops the connection with what is in its buffer: a polite close would wait for a peer that does not read."""


def _nothing() -> None:
    pass


class LiveSocketProtocol(WebSocketsSansIOProtocol):
    """`ws=` class for uvicorn: a missed pong aborts, frames can be written raw."""

    on_full: Callable[[], None] = staticmethod(_nothing)
    on_drain: Callable[[], None] = staticmethod(_nothing)
    silent = False

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            cast(dict[str, Any], self.scope["extensions"])[EXTENSION] = self

    def start_keepalive(self) -> None:
        """The handshake is answered: from here on the request, which would fill a third of an idle viewer's memory, is of no use."""
        super().start_keepalive()
        self.request.headers.clear()
        self.response.headers.clear()
        cast(list[Any], self.scope["headers"]).clear()

    def limit(self, budget_bytes: int) -> None:
        self.transport.set_write_buffer_limits(high=budget_bytes)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    @property
    def write(self) -> Write:
        return self.transport.write

    def close(self, code: int, reason: str = "") -> None:
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self.stop_keepalive()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_timeout, self.abort)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def abort(self) -> None:
        self.close_timer = None
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.conn.close_rcvd is None and not self.close_sent:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": ABNORMAL})  # uvicorn itself says 1005
        self.on_full()  # nothing more is written to it until the app has noticed
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.on_full()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.on_drain()

    def keepalive_timeout(self) -> None:
        self.pong_timer = None
        self.silent = True
        self.abort()


class AsgiSocket:
    """The same over plain ASGI `send`: for servers other than ours.

    `run` must be awaited in a task beside the receiving one; `on_abort` must end both, since `send` may wait for ever.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.silent = False  # pings are its server's
        self._queue: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()  # bounded in bytes by its budget
        self._buffered_bytes = 0
        self._budget_bytes = 0
        self.on_full: Callable[[], None] = _nothing
        self.on_drain: Callable[[], None] = _nothing
        self.on_abort: Callable[[], object] = _nothing

    def limit(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes

    @property
    def write(self) -> Write:
        return self._put

    def _put(self, wire: bytes) -> None:
        for payload in payloads_of(wire):
            self._buffered_bytes += len(payload)
            self._queue.put_nowait({"type": "websocket.send", "text": payload.decode()})
        if self._buffered_bytes > self._budget_bytes:
            self.on_full()

    def close(self, code: int, reason: str = "") -> None:
        self._queue.put_nowait({"type": "websocket.close", "code": code, "reason": reason})

    def abort(self) -> None:
        self.on_abort()

    async def run(self) -> None:
        """Ends after a close."""
        while True:
            message = await self._queue.get()
            await self._send(message)
            self._buffered_bytes -= len(message.get("text", "").encode())
            if message["type"] == "websocket.close":
                return
            if self._queue.empty():
                self.on_drain()
