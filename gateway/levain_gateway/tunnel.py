"""A live socket as a tunnel of bytes: its opening, its two directions, and its ends.

Opening: decide, dial, compare the upstream's answer, relay the 101. From then on no byte is looked at but for the frames' lengths
downstream. Ending: a close frame between two frames, our side shut, a short wait for the peer's; whoever does not go is cut off.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from levain_contracts.closecodes import CloseCode, restart_reason
from levain_gateway import handshake
from levain_gateway.access import Guarded
from levain_gateway.boundary import FrameBoundary
from levain_gateway.gate import Gate
from levain_gateway.handshake import BadAnswer
from levain_gateway.head import Head
from levain_gateway.refusals import OF_UPSTREAM_STATUS, TABLE, Refusal
from levain_gateway.registry import Flow
from levain_gateway.sockets import tune
from levain_gateway.upstream import UpstreamLeg

CONNECT_SECONDS = 5.0
OPENING_SECONDS = 10.0
_MAX_EARLY_BYTES = 64 * 1024
_UPSTREAM_CLOSE_SECONDS = 2.0  # it has sent its close frame, and closes once it has the client's
_PEER_CLOSE_SECONDS = 1.0
_FLUSH_SECONDS = 2.0
_ABNORMAL = 1006
_log = logging.getLogger(__name__)


class _Phase(Enum):
    OPENING = auto()
    OPEN = auto()
    ENDING = auto()


class _Opening(NamedTuple):
    """What the opening alone needs. A request's head is larger than all else that an idle viewer keeps here."""

    head: Head
    early: bytearray
    task: asyncio.Task[None]


class Tunnel(asyncio.Protocol):
    """Takes a client's transport over at `begin`. `request_id` is that of the log line at the end."""

    __slots__ = (
        "_began_at",
        "_boundary",
        "_bytes_down",
        "_bytes_up",
        "_client_full",
        "_code",
        "_connection_id",
        "_gate",
        "_leg",
        "_opened_at",
        "_opening",
        "_phase",
        "_refusal",
        "_request_id",
        "_settled",
        "_tenant_id",
        "_timer",
        "_transport",
        "_upstream_full",
        "_waiting_close",
    )

    def __init__(self, gate: Gate, request_id: str) -> None:
        self._gate = gate
        self._request_id = request_id
        self._connection_id = secrets.token_hex(8)
        self._phase = _Phase.OPENING
        self._opening: _Opening | None = None
        self._leg: UpstreamLeg | None = None
        self._upstream_full = self._client_full = False
        self._boundary = FrameBoundary()
        self._waiting_close: tuple[int, str] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._began_at = time.monotonic()
        self._opened_at: float | None = None
        self._code: int | None = None
        self._refusal: Refusal | None = None
        self._tenant_id = ""
        self._bytes_down = self._bytes_up = 0
        self._settled = (0, 0, 0)

    def begin(self, transport: asyncio.Transport, head: Head, early: bytes) -> None:
        """`early`: what the client sent right behind its request."""
        self._transport = transport
        tune(transport)
        transport.resume_reading()
        self._gate.tunnels.enter(self)
        self._opening = _Opening(head, bytearray(), asyncio.create_task(self._open(head)))
        self.data_received(early)

    # The client's side.

    def data_received(self, data: bytes) -> None:
        if self._opening is not None and self._phase is _Phase.OPENING:
            self._opening.early.extend(data)
            if len(self._opening.early) > _MAX_EARLY_BYTES:
                self._refuse(Refusal.TOO_MUCH_TOO_EARLY)
        elif self._leg is not None and not (self._upstream_full and self._phase is _Phase.ENDING):
            self._bytes_up += len(data)
            self._leg.write(data)

    def pause_writing(self) -> None:
        self._client_full = True
        if self._leg is not None:
            self._leg.pause_reading(True)

    def resume_writing(self) -> None:
        self._client_full = False
        if self._leg is not None:
            self._leg.pause_reading(False)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._opening is not None:
            self._opening.task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._leg is not None:
            self._leg.close()
        self._gate.tunnels.leave(self)
        self._record()

    # The upstream's side.

    def from_upstream(self, data: bytes) -> None:
        if self._phase is not _Phase.OPEN:
            return
        if self._waiting_close is not None:
            data = data[: self._boundary.feed_to_end_of_frame(data)]
        else:
            self._boundary.feed(data)
        self._bytes_down += len(data)
        self._transport.write(data)
        if self._boundary.closed:
            self._wait(_UPSTREAM_CLOSE_SECONDS, self._end)
        elif self._waiting_close is not None and self._boundary.between_frames:
            self._close(*self._waiting_close)

    def upstream_full(self, full: bool) -> None:
        self._upstream_full = full
        if self._transport.is_closing() or self._phase is _Phase.ENDING:
            return
        if full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def upstream_lost(self) -> None:
        self._drop_leg()
        if self._phase is not _Phase.OPEN:
            return
        if self._boundary.closed:
            self._end()
            return
        self._gate.metrics.upstream_failed("lost")
        if self._boundary.between_frames:
            self._close(CloseCode.TRY_AGAIN_LATER, TABLE[Refusal.UPSTREAM_UNAVAILABLE].title)
        else:
            self._end()  # amid a frame nothing can be said any more: the client sees 1006 and comes back

    # The gateway's own endings.

    def restart(self, retry_ms: int) -> None:
        """Closes with 1012 at the next end of a frame."""
        if self._phase is _Phase.OPENING:
            self._refuse(Refusal.RESTARTING)
        elif self._phase is _Phase.OPEN:
            self._waiting_close = (CloseCode.RESTARTING, restart_reason(retry_ms))
            if self._boundary.closed:
                self._end()
            elif self._boundary.between_frames:
                self._close(*self._waiting_close)

    def abort(self) -> None:
        self._transport.abort()

    def settle(self) -> Flow:
        """What went through since the last time."""
        if self._opened_at is None:
            return Flow(0, 0, 0, slow=False)
        before, self._settled = self._settled, (self._boundary.frames, self._bytes_down, self._bytes_up)
        frames, down, up = (now - then for now, then in zip(self._settled, before, strict=True))
        return Flow(frames, down, up, self._client_full)

    # Opening.

    async def _open(self, head: Head) -> None:
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                await self._decide(head)
        except TimeoutError:
            self._fail(Refusal.UPSTREAM_TIMEOUT, "timeout", "no answer in time")
        except OSError as error:
            self._fail(Refusal.UPSTREAM_UNAVAILABLE, "connect", str(error))
        except BadAnswer as bad:
            self._fail(Refusal.UPSTREAM_UNAVAILABLE, "answer", str(bad))
        except Exception:
            _log.exception("a live socket could not be opened", extra=self._names())
            self._transport.abort()

    async def _decide(self, head: Head) -> None:
        fault = handshake.fault(head)
        if fault is not None:
            self._gate.metrics.handshake_failed(int(fault[9:12]))
            self._transport.write(fault)
            self._end()
            return
        found = Refusal.RESTARTING if self._gate.tunnels.draining else await self._gate.decide(head, websocket=True)
        if not isinstance(found, Guarded):
            self._refuse(found if isinstance(found, Refusal) else Refusal.NOT_FOUND)
        elif not self._gate.tunnels.admit(self, found.tenant_id):
            self._refuse(Refusal.TOO_MANY_CONNECTIONS)
        else:
            self._tenant_id = found.tenant_id
            await self._dial(head, found)

    async def _dial(self, head: Head, found: Guarded) -> None:
        request = handshake.upstream_request(head, found.query, found.token, self._request_id)
        leg = self._leg = UpstreamLeg(self, request)
        address = self._gate.settings.upstream
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().create_connection(lambda: leg, address.host, address.port)
        answer = await leg.answer()
        if answer.status in OF_UPSTREAM_STATUS:
            self._refuse(OF_UPSTREAM_STATUS[answer.status])
        else:
            self._relay(leg, handshake.switching(head, handshake.agreed_protocol(head, answer), self._request_id))

    def _relay(self, leg: UpstreamLeg, switching: bytes) -> None:
        assert self._opening is not None
        early, self._opening = bytes(self._opening.early), None
        self._transport.write(switching)
        self._phase = _Phase.OPEN
        self._opened_at = time.monotonic()
        self._gate.metrics.connection_opened(self._opened_at - self._began_at)
        if early:
            self.data_received(early)
        leg.start()

    def _refuse(self, refusal: Refusal) -> None:
        """Accepted only to be closed: a browser can't see the status of a refused upgrade."""
        self._gate.metrics.connection_refused(refusal, time.monotonic() - self._began_at)
        self._refusal = refusal
        row = TABLE[refusal]
        reason = restart_reason(self._gate.tunnels.retry_ms()) if refusal is Refusal.RESTARTING else row.title
        assert self._opening is not None
        head = self._opening.head
        self._transport.write(handshake.switching(head, handshake.our_protocol(head), self._request_id))
        self._close(row.close_code, reason)

    def _fail(self, refusal: Refusal, kind: str, why: str) -> None:
        self._gate.metrics.upstream_failed(kind)
        _log.warning("a live socket found no upstream", extra=self._names() | {"why": why})
        self._refuse(refusal)

    # Ending.

    def _close(self, code: int, reason: str) -> None:
        self._code = int(code)
        self._transport.write(handshake.close_frame(code, reason))
        self._end()

    def _end(self) -> None:
        """Shuts our side and waits for the client's: closing at once would turn unread bytes into a reset that eats the close frame."""
        if self._opening is not None and self._phase is _Phase.OPENING:
            if asyncio.current_task() is not self._opening.task:
                self._opening.task.cancel()
            self._drop_leg()
        self._phase = _Phase.ENDING
        if self._transport.is_closing():
            return
        self.resume_writing()  # the upstream is read on, to nowhere, so that it hears the client's close
        self._transport.resume_reading()
        self._transport.write_eof()
        self._wait(_FLUSH_SECONDS if self._transport.get_write_buffer_size() else _PEER_CLOSE_SECONDS, self._transport.abort)

    def _drop_leg(self) -> None:
        if self._leg is not None:
            self._leg.close()
            self._leg = None

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def _names(self) -> dict[str, str]:
        """For log lines. A request's id may come from the client, who may give it to several sockets."""
        return {"request_id": self._request_id, "connection_id": self._connection_id}

    def _record(self) -> None:
        opened = self._opened_at is not None
        seen = self._boundary.close_code or 1005 if self._boundary.closed else _ABNORMAL
        code = self._code if self._code is not None else seen
        if opened:
            flow = self.settle()
            self._gate.metrics.tunnelled(frames=flow.frames, bytes_down=flow.bytes_down, bytes_up=flow.bytes_up)
            self._gate.metrics.connection_closed(code)
        seconds = round(time.monotonic() - self._opened_at, 3) if self._opened_at is not None else 0.0
        extra = {"tenant_id": self._tenant_id, "code": code, "seconds": seconds, "frames": self._boundary.frames}
        extra |= {"bytes_down": self._bytes_down, "bytes_up": self._bytes_up, **self._names()}
        extra |= {"refusal": self._refusal.value} if self._refusal is not None else {}
        _log.info("a live socket ended" if opened else "a live socket was refused", extra=extra)
