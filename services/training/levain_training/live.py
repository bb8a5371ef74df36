"""The live endpoint: verify, register, snapshot, then what the hub hands over. Close codes are those of DESIGN §4."""

import asyncio
import json
import logging
import time
from typing import Any, NamedTuple

from starlette.websockets import WebSocket

from levain_contracts import frames
from levain_contracts.closecodes import CloseCode
from levain_contracts.frames import PONG, PROTOCOL
from levain_contracts.ids import REQUEST_ID_HEADER, is_id, request_id_of
from levain_training.authentication import Authenticator, NotAuthenticated
from levain_training.connections import Connection, ConnectionManager, encoded
from levain_training.metrics import Metrics
from levain_training.store import live as store_live
from levain_training.store.engine import Store, StoreUnavailable
from levain_training.wire import ABNORMAL, EXTENSION, AsgiSocket, Socket, text_frame

log = logging.getLogger(__name__)

# A heartbeat every second is polite, sixty at once are not.
MAX_MESSAGES = 60
MESSAGES_WINDOW_SECONDS = 30.0

_REQUEST_ID = REQUEST_ID_HEADER.lower().encode()
_PONG = text_frame(PONG.encode())

Refusal = tuple[CloseCode, str, str]  # code, the metric's reason, what the peer reads


class _Asked(NamedTuple):
    began_at: float
    request_id: str


class LiveEndpoint:
    def __init__(
        self, store: Store, connections: ConnectionManager, authenticator: Authenticator, metrics: Metrics, drain_seconds: float
    ) -> None:
        self._store = store
        self._connections = connections
        self._authenticator = authenticator
        self._metrics = metrics
        self._drain_seconds = drain_seconds

    async def __call__(self, websocket: WebSocket, tenant_id: str, job_id: str) -> None:
        asked = _Asked(time.monotonic(), request_id_of([v for name, v in websocket.scope["headers"] if name == _REQUEST_ID]))
        expires_at, refusal = await self._admit(websocket, tenant_id, job_id)
        # Accepted first even when refused: a browser can't see the HTTP status of a refused upgrade.
        await websocket.accept(subprotocol=PROTOCOL if PROTOCOL in websocket.scope["subprotocols"] else None)
        if refusal is not None:
            code, reason, text = refusal
            self._refused(reason, asked)
            fields = {"tenant_id": tenant_id, "job_id": job_id, "request_id": asked.request_id, "code": int(code), "reason": reason}
            log.info("viewer refused", extra=fields | {"seconds": round(time.monotonic() - asked.began_at, 3), "frames": 0, "bytes": 0})
            await websocket.close(code, text)
            return
        socket = websocket.scope.get("extensions", {}).get(EXTENSION)
        if socket is not None:
            await self._serve(websocket, (tenant_id, job_id), socket, expires_at, asked)
            return
        fallback = AsgiSocket(websocket.send)
        serving = asyncio.create_task(self._serve(websocket, (tenant_id, job_id), fallback, expires_at, asked))
        sending = asyncio.create_task(fallback.run())
        fallback.on_abort = serving.cancel
        try:
            await asyncio.wait({serving})
        finally:
            serving.cancel()
            sending.cancel()
            await asyncio.gather(serving, sending, return_exceptions=True)

    async def _admit(self, websocket: WebSocket, tenant_id: str, job_id: str) -> tuple[float, Refusal | None]:
        """When the token expires, and why the viewer is refused, if it is."""
        if not is_id(tenant_id) or not is_id(job_id):
            return 0, (CloseCode.MALFORMED, "malformed", "tenant and job ids are lower case letters, digits and '-'")
        try:
            claims = await self._authenticator.claims(websocket.headers.getlist("authorization"))
        except NotAuthenticated as error:
            return 0, (CloseCode.UNAUTHENTICATED, "unauthenticated", str(error))
        if claims.tenant_id != tenant_id:
            return 0, (CloseCode.FORBIDDEN, "forbidden", "the token is not for this tenant")
        if self._connections.draining:
            return 0, (CloseCode.RESTARTING, "draining", self._connections.restart_reason(self._drain_seconds))
        if self._connections.full(tenant_id):
            return 0, (CloseCode.TOO_MANY, "too_many", "too many live connections of this tenant")
        return claims.expires_at, None

    async def _serve(self, websocket: WebSocket, key: tuple[str, str], socket: Socket, expires_at: float, asked: _Asked) -> None:
        connection = self._connections.connect(key, socket, expires_at, asked.request_id)
        code = ABNORMAL
        try:
            await self._first_frames(connection, asked)
            code = await self._receive(websocket, connection)
        finally:
            self._connections.disconnect(connection, code)

    async def _first_frames(self, connection: Connection, asked: _Asked) -> None:
        """Registered at the hub first, then read: nothing falls between the snapshot and the frames."""
        try:
            found = await self._store.read(store_live.read_snapshot, *connection.key)
        except StoreUnavailable:
            self._refused("store_away", asked)
            connection.close(CloseCode.TRY_AGAIN_LATER, "the store is away")
            return
        if found is None:
            self._refused("no_such_job", asked)
            connection.close(CloseCode.NO_SUCH_JOB, "no such job")
            return
        snapshot, terminal = found
        self._connections.admit(connection)
        known = connection.viewer.start(encoded(snapshot), *([] if terminal is None else [encoded(frames.frame(terminal))]))
        self._connections.hub.joined(connection.key, known)
        self._metrics.handshake_ended("accepted", time.monotonic() - asked.began_at)

    def _refused(self, reason: str, asked: _Asked) -> None:
        self._metrics.viewer_refused(reason)
        self._metrics.handshake_ended("refused", time.monotonic() - asked.began_at)

    async def _receive(self, websocket: WebSocket, connection: Connection) -> int:
        """Answers pings until the peer is gone; its close code. Anything that is no message of ours is ignored."""
        window_start, messages = time.monotonic(), 0
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return int(message.get("code") or 1005)
            now = time.monotonic()
            if now - window_start > MESSAGES_WINDOW_SECONDS:
                window_start, messages = now, 0
            messages += 1
            if messages > MAX_MESSAGES:
                connection.close(CloseCode.TOO_MANY, "too many messages")
            elif _is_ping(message.get("text")) and connection.viewer.open:
                connection.socket.write(_PONG)


def _is_ping(text: str | None) -> bool:
    try:
        message: Any = json.loads(text or "")
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and message.get("type") == "ping"
