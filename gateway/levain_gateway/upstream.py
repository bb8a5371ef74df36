"""The tunnel's leg to the training service: the handshake, then bytes."""

import asyncio
from typing import Protocol

from levain_gateway.handshake import Answer, BadAnswer, parse_answer
from levain_gateway.sockets import tune

_MAX_HEAD_BYTES = 16 * 1024


class Near(Protocol):
    """What the leg tells the tunnel."""

    def from_upstream(self, data: bytes) -> None: ...
    def upstream_lost(self) -> None: ...
    def upstream_full(self, full: bool) -> None: ...


class UpstreamLeg(asyncio.Protocol):
    """`answer` comes once; then nothing is read until `start`, which first hands on what came right behind the 101."""

    __slots__ = ("_answer", "_near", "_received", "_request", "_transport", "_tunnelling")

    def __init__(self, near: Near, request: bytes) -> None:
        self._near = near
        self._request = request
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._tunnelling = False
        self._answer: asyncio.Future[Answer] | None = asyncio.get_running_loop().create_future()
        self._answer.add_done_callback(lambda answer: answer.cancelled() or answer.exception())  # nobody may be waiting any more

    async def answer(self) -> Answer:
        """Once. Raises `BadAnswer`."""
        assert self._answer is not None
        try:
            return await self._answer
        finally:
            self._answer = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        tune(transport)
        transport.write(self._request)
        self._request = b""

    def data_received(self, data: bytes) -> None:
        if self._tunnelling:
            self._near.from_upstream(data)
        elif self._answer is not None and not self._answer.done():
            self._received += data
            self._read_head(self._answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BadAnswer("it closed the connection without an answer"))
        if self._tunnelling:
            self._near.upstream_lost()

    def pause_writing(self) -> None:
        self._near.upstream_full(True)

    def resume_writing(self) -> None:
        self._near.upstream_full(False)

    def start(self) -> None:
        self._tunnelling = True
        self.pause_reading(False)  # first: what follows may pause it again
        rest, self._received = self._received, b""
        if rest:
            self._near.from_upstream(rest)
        if self._transport is None:
            self._near.upstream_lost()

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause_reading(self, paused: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def close(self, flush_seconds: float = 5.0) -> None:
        """What is buffered may still go out; an end that does not take it is dropped after `flush_seconds`."""
        self._tunnelling = False
        if self._answer is not None:
            self._answer.cancel()
        if self._transport is not None:
            self._transport.close()
            asyncio.get_running_loop().call_later(flush_seconds, self._transport.abort)

    def _read_head(self, waiting: asyncio.Future[Answer]) -> None:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end and len(self._received) <= _MAX_HEAD_BYTES:
            return
        assert self._transport is not None
        self._transport.pause_reading()
        try:
            if not end or len(head) > _MAX_HEAD_BYTES:
                raise BadAnswer("its head is too long")
            answer = parse_answer(head)
        except BadAnswer as bad:
            waiting.set_exception(bad)
            return
        self._received = rest
        waiting.set_result(answer)
