"""The connection manager: open sockets around the pure hub. It closes the slow, the expired and, in a drain, all of them."""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from levain_contracts import frames
from levain_contracts.closecodes import CloseCode, restart_reason
from levain_contracts.frames import Frame
from levain_training.bursts import Bursts
from levain_training.hub import Encoded, Hub, JobKey, Viewer
from levain_training.metrics import Metrics
from levain_training.store import live
from levain_training.store.engine import Store, StoreUnavailable, when_back
from levain_training.wire import Socket, text_frame

log = logging.getLogger(__name__)

_SWEEP_SECONDS = 0.5
# An event may be on its way while the store already has it: only what is still missing after this time counts as lost.
_IN_FLIGHT_SECONDS = 0.5
_GOODBYE_SECONDS = 1.0


def encoded(frame: Frame, happened_at: float | None = None) -> Encoded:
    return Encoded(frame.seq, frame.terminal, text_frame(frames.encode(frame)), happened_at)


@dataclass(eq=False)
class Connection:
    """One open socket. `close_code` is what we closed it with, None while the peer is to decide."""

    key: JobKey
    socket: Socket
    viewer: Viewer
    expires_at: float
    request_id: str = ""
    connection_id: str = field(default_factory=lambda: secrets.token_hex(8))
    opened_at: float = field(default_factory=time.monotonic)
    behind_since: float | None = None
    close_code: int | None = None
    counted: bool = False
    counted_so_far: tuple[int, int, int, int] = (0, 0, 0, 0)

    def close(self, code: CloseCode, reason: str = "") -> None:
        if self.close_code is None:
            self.close_code = code
            self.viewer.end()
            self.socket.close(code, reason)


class ConnectionManager:
    def __init__(self, store: Store, metrics: Metrics, *, budget_bytes: int, slow_seconds: float, max_viewers_per_tenant: int) -> None:
        self.hub = Hub()
        self._bursts = Bursts(self.hub, metrics.event_written)
        self.draining = False
        self._store = store
        self._metrics = metrics
        self._budget_bytes = budget_bytes
        self._slow_seconds = slow_seconds
        self._max_viewers_per_tenant = max_viewers_per_tenant
        self._open: dict[Connection, None] = {}
        self._per_tenant: dict[str, int] = {}
        self._resend = asyncio.Event()

    def full(self, tenant_id: str) -> bool:
        return self._per_tenant.get(tenant_id, 0) >= self._max_viewers_per_tenant

    def connect(self, key: JobKey, socket: Socket, expires_at: float, request_id: str = "") -> Connection:
        """Registers the viewer: from now on it holds what arrives, until its `start`. It counts from `admit` on."""
        connection: Connection
        viewer = Viewer(socket.write, lambda: connection.close(CloseCode.JOB_ENDED))
        connection = Connection(key, socket, viewer, expires_at, request_id)
        socket.on_full, socket.on_drain = viewer.pause, viewer.resume
        socket.limit(self._budget_bytes)
        self._open[connection] = None
        self._per_tenant[key[0]] = self._per_tenant.get(key[0], 0) + 1
        self.hub.add(key, viewer)
        return connection

    def admit(self, connection: Connection) -> None:
        connection.counted = True
        self._metrics.viewer_connected()

    def disconnect(self, connection: Connection, peer_code: int) -> None:
        """The socket is gone. `peer_code` counts where we did not close it ourselves."""
        self.hub.remove(connection.key, connection.viewer)
        del self._open[connection]
        tenant_id = connection.key[0]
        self._per_tenant[tenant_id] -= 1
        if not self._per_tenant[tenant_id]:
            del self._per_tenant[tenant_id]
        self._settle([connection])
        code = connection.close_code or peer_code
        if connection.counted:
            self._metrics.viewer_closed(code)
            if connection.socket.silent:
                self._metrics.viewer_dead()
        log.info(
            "viewer left" if connection.counted else "viewer refused",
            extra={
                "job_id": connection.key[1],
                "tenant_id": connection.key[0],
                "request_id": connection.request_id,
                "connection_id": connection.connection_id,
                "code": code,
                "seconds": round(time.monotonic() - connection.opened_at, 3),
                "frames": connection.viewer.sent_frames,
                "bytes": connection.viewer.sent_bytes,
            },
        )

    async def sweep(self) -> None:
        """For ever: aborts viewers that stay slow, closes those whose token expired, counts what was sent."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now, clock = time.monotonic(), time.time()
            self._settle(self._open)
            self._metrics.viewers_behind(sum(connection.viewer.behind for connection in self._open))
            for connection in tuple(self._open):
                if connection.expires_at <= clock:
                    connection.close(CloseCode.UNAUTHENTICATED, "the token expired")
                self._end_if_slow(connection, now)

    def _end_if_slow(self, connection: Connection, now: float) -> None:
        if not connection.viewer.behind:
            connection.behind_since = None
        elif connection.behind_since is None:
            connection.behind_since = now
        elif now - connection.behind_since >= self._slow_seconds:
            connection.close_code = CloseCode.TOO_SLOW
            connection.viewer.end()
            connection.socket.abort()  # its buffer is full, so a close frame would never arrive

    def _settle(self, connections: Iterable[Connection]) -> None:
        """Counts what each was sent since the last time: a counter a frame would cost more than the frame (docs/performance.md)."""
        sent = size_bytes = conflated = dropped = 0
        for connection in connections:
            viewer, counted = connection.viewer, connection.counted_so_far
            connection.counted_so_far = now = (viewer.sent_frames, viewer.sent_bytes, viewer.conflated, viewer.dropped)
            sent += now[0] - counted[0]
            size_bytes += now[1] - counted[1]
            conflated += now[2] - counted[2]
            dropped += now[3] - counted[3]
        self._metrics.frames_settled(sent=sent, size_bytes=size_bytes, conflated=conflated, dropped=dropped)

    def deliver(self, key: JobKey, frame: Frame, happened_at: float | None = None) -> None:
        """To every viewer of the job, with what else comes in the same moment. `happened_at`: of a frame that is an event's."""
        self._bursts.deliver(key, encoded(frame, happened_at))

    async def refresh(self, key: JobKey) -> None:
        """Sends every viewer of the job a fresh snapshot (and the terminal frame where the job has ended)."""
        if not self.hub.watched(key):
            return
        found = await self._store.read(live.read_snapshot, *key)
        if found is None:
            return
        snapshot, terminal = found
        self.deliver(key, snapshot)
        if terminal is not None:
            self.deliver(key, frames.frame(terminal))

    def resend_snapshots(self) -> None:
        """After a new session with the broker: what came before it may be lost."""
        self._resend.set()

    async def keep_resending(self) -> None:
        while True:
            await self._resend.wait()
            self._resend.clear()
            for key in self.hub.seen():
                await when_back(partial(self.refresh, key))

    async def keep_level(self, every_seconds: float) -> None:
        """For ever: a viewer never hangs on a lost last event."""
        while True:
            await asyncio.sleep(every_seconds)
            try:
                await self._level()
            except StoreUnavailable as error:
                log.warning("viewers not compared with the store", extra={"error": str(error)})

    async def _level(self) -> None:
        stored = await self._store.read(live.read_seqs, list(self.hub.seen()))
        if not _behind(stored, self.hub.seen()):
            return
        await asyncio.sleep(_IN_FLIGHT_SECONDS)
        for key in _behind(stored, self.hub.seen()):
            self._metrics.repaired("viewer_behind")
            await self.refresh(key)

    async def drain(self, window_seconds: float) -> None:
        """Closes every socket with 1012, spread over the window; each is told to come back within as long again."""
        self.draining = True
        self._metrics.drain_began()
        leaving = list(self._open)
        random.shuffle(leaving)
        for i, connection in enumerate(leaving):
            connection.close(CloseCode.RESTARTING, self.restart_reason(window_seconds))
            if i % 16 == 15:  # a pause for each connection would be too short to sleep
                await asyncio.sleep(16 * window_seconds / len(leaving))
        for connection in tuple(self._open):  # those that were let in just before the drain began
            connection.close(CloseCode.RESTARTING, self.restart_reason(window_seconds))
        await self._gone(_GOODBYE_SECONDS)
        for connection in tuple(self._open):
            connection.viewer.end()
            connection.socket.abort()
        await self._gone(_GOODBYE_SECONDS)

    @staticmethod
    def restart_reason(window_seconds: float) -> str:
        return restart_reason(random.randint(100, 100 + int(window_seconds * 1000)))  # noqa: S311  # spreads load, hides nothing

    async def _gone(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._open and time.monotonic() < deadline:
            await asyncio.sleep(0.02)


def _behind(stored: dict[JobKey, int], seen: dict[JobKey, int]) -> list[JobKey]:
    return [key for key, seq in stored.items() if key in seen and seen[key] < seq]
