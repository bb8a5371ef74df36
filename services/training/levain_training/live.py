"""The live endpoint: verify, register, snapshot, then what the hub hands over. Close codes are those of DESIGN §4."""

import asyncio
import json
import time
from typing import Any

from starlette.websockets import WebSocket

from levain_contracts import frames
from levain_contracts.closecodes import CloseCode
from levain_contracts.frames import PONG, PROTOCOL
from levain_contracts.ids import is_id
from levain_training.authentication import Authenticator, NotAuthenticated
from levain_training.connections import Connection, ConnectionManager, encoded
from levain_training.metrics import Metrics
from levain_training.store import live as store_live
from levain_training.store.engine import Store, StoreUnavailable
from levain_training.wire import ABNORMAL, EXTENSION, AsgiSocket, Socket, text_frame

# A heartbeat every second is polite, sixty at once are not.
MAX_MESSAGES = 60
MESSAGES_WINDOW_SECONDS = 30.0

_PONG = text_frame(PONG.encode())

Refusal = tuple[CloseCode, str, str]  # code, the metric's reason, what the peer reads


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
        expires_at, refusal = await self._admit(websocket, tenant_id, job_id)
        # Accepted first even when refused: a browser can't see the HTTP status of a refused upgrade.
        await websocket.accept(subprotocol=PROTOCOL if PROTOCOL in websocket.scope["subprotocols"] else None)
        if refusal is not None:
            code, reason, text = refusal
            self._metrics.viewer_refused(reason)
            await websocket.close(code, text)
            return
        socket = websocket.scope.get("extensions", {}).get(EXTENSION)
        if socket is not None:
            await self._serve(websocket, (tenant_id, job_id), socket, expires_at)
            return
        fallback = AsgiSocket(websocket.send)
        serving = asyncio.create_task(self._serve(websocket, (tenant_id, job_id), fallback, expires_at))
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

    async def _serve(self, websocket: WebSocket, key: tuple[str, str], socket: Socket, expires_at: float) -> None:
        connection = self._connections.connect(key, socket, expires_at)
        code = ABNORMAL
        try:
            await self._first_frames(connection)
            code = await self._receive(websocket, connection)
        finally:
            self._connections.disconnect(connection, code)

    async def _first_frames(self, connection: Connection) -> None:
        """Registered at the hub first, then read: nothing falls between the snapshot and the frames."""
        try:
            found = await self._store.read(store_live.read_snapshot, *connection.key)
        except StoreUnavailable:
            self._refuse(connection, (CloseCode.TRY_AGAIN_LATER, "store_away", "the store is away"))
            return
        if found is None:
            self._refuse(connection, (CloseCode.NO_SUCH_JOB, "no_such_job", "no such job"))
            return
        snapshot, terminal = found
        self._connections.admit(connection)
        known = connection.viewer.start(encoded(snapshot), *([] if terminal is None else [encoded(frames.frame(terminal))]))
        self._connections.hub.joined(connection.key, known)

    def _refuse(self, connection: Connection, refusal: Refusal) -> None:
        code, reason, text = refusal
        self._metrics.viewer_refused(reason)
        connection.close(code, text)

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
