"""uvicorn's HTTP/1.1 connection, with three things of ours: where an upgrade goes, no byte lost there, and a limit on slow heads.

h11 and not httptools: it keeps the body of a request that offers `Upgrade: h2c` (Kludex/uvicorn#2722).
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from levain_gateway.gate import Gate
from levain_gateway.head import Head, request_id
from levain_gateway.tunnel import Tunnel

HEAD_SECONDS = 10.0
MAX_HEAD_BYTES = 32 * 1024  # a token of 8 KiB twice, and cookies: an answer that says why is better than a bare 400


class GatewayHttp(H11Protocol):
    def __init__(self, gate: Gate, **given: Any) -> None:
        super().__init__(**given)
        self._gate = gate
        self._head_timer: asyncio.TimerHandle | None = None
        self._upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._upgraded:
            self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _should_upgrade(self) -> bool:
        return self._request_head().wants_websocket

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """The stock way hands on the head alone and loses what the client sent right behind it."""
        self._upgraded = True
        self._stop_timer()
        self.connections.discard(self)
        head = self._request_head()
        tunnel = Tunnel(self._gate, request_id(head))
        self.transport.set_protocol(tunnel)
        tunnel.begin(self.transport, head, self.conn.trailing_data[0])

    def _request_head(self) -> Head:
        scope = self.scope
        return Head(scope["method"], scope["raw_path"], scope["query_string"], self.headers, self.client[0] if self.client else "")

    def _watch_head(self) -> None:
        """A head that has begun must end in time; `timeout_keep_alive` covers only the silence before it."""
        begun = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if not begun:
            self._stop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
