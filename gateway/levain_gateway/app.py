"""The HTTP side as one ASGI app: decide, then pass on, answer, or refuse."""

import asyncio
import logging
import time
from collections.abc import MutableMapping
from typing import Any

from levain_asgi.linger import App, Linger, Message, Receive, Send
from levain_gateway.access import Guarded, Local, Public
from levain_gateway.gate import Gate
from levain_gateway.head import Head, forwarded, request_id
from levain_gateway.pages import local_app
from levain_gateway.proxy import ClientGone, CutShort, Proxy, UpstreamFailed
from levain_gateway.refusals import Refusal, problem
from levain_logs import bound

_log = logging.getLogger(__name__)
_MAX_PATH_CHARS = 300
_QUIET = frozenset(("GET", "HEAD", "OPTIONS"))


def create_app(gate: Gate, proxy: Proxy) -> App:
    local = local_app(gate, gate.settings.static_dir)

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        head = Head(scope["method"], scope["raw_path"], scope["query_string"], scope["headers"], (scope["client"] or ("",))[0])
        answer = _Answer(gate, head, request_id(head), send)
        found = await gate.decide(head, websocket=False)
        with bound(request_id=answer.name, tenant_id=found.tenant_id if isinstance(found, Guarded) else None):
            if isinstance(found, Local):
                await local(scope, receive, answer.send)
            elif isinstance(found, Refusal):
                await answer.refuse(found)
            else:
                await _pass_on(gate, proxy, head, found, receive, answer)

    return Linger(app)


async def _pass_on(gate: Gate, proxy: Proxy, head: Head, found: Guarded | Public, receive: Receive, answer: "_Answer") -> None:
    headers = forwarded(head, found.token if isinstance(found, Guarded) else None, answer.name)
    try:
        await proxy.forward(head, found.query, headers, receive, answer.send)
    except UpstreamFailed as failed:
        if failed.refusal is not Refusal.REQUEST_TIMEOUT:
            gate.metrics.upstream_failed(failed.kind)
        await answer.refuse(failed.refusal)
    except CutShort:
        gate.metrics.upstream_failed("lost")
    except ClientGone:
        pass
    except asyncio.CancelledError:
        if not gate.tunnels.draining:
            raise
        if not answer.started:  # uvicorn gives up on it at the end of the drain
            await answer.refuse(Refusal.RESTARTING)


class _Answer:
    """Counts the answer, logs it unless it is a good one to a question, and gives it the request's id where the upstream left it out."""

    def __init__(self, gate: Gate, head: Head, name: str, send: Send) -> None:
        self._gate = gate
        self._head = head
        self._send = send
        self._began = time.monotonic()
        self.name = name
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            seconds = time.monotonic() - self._began
            self._gate.metrics.answered(message["status"], seconds)
            self._tell(message["status"], seconds)
            if not any(key == b"x-request-id" for key, _ in message["headers"]):
                message = {**message, "headers": [*message["headers"], (b"x-request-id", self.name.encode())]}
        await self._send(message)

    def _tell(self, status: int, seconds: float) -> None:
        level = logging.DEBUG if self._head.method in _QUIET and status < 400 else logging.INFO
        if _log.isEnabledFor(level):
            # The query may hold a token, and stays away.
            path = self._head.path.decode("latin-1")[:_MAX_PATH_CHARS]
            fields = {"method": self._head.method, "path": path, "status": status, "seconds": round(seconds, 3)}
            _log.log(level, "a request was answered", extra=fields)

    async def refuse(self, refusal: Refusal) -> None:
        self._gate.metrics.refused(refusal)
        status, headers, body = problem(refusal)
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})
