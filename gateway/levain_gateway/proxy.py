"""HTTP passed on to the training service, streamed both ways: never more of a body in memory than a few reads."""

import asyncio
import logging
from collections.abc import AsyncIterator

import aiohttp
from yarl import URL

from levain_asgi.linger import Receive, Send
from levain_gateway.head import Head, Headers, end_to_end
from levain_gateway.refusals import Refusal
from levain_gateway.settings import Settings

CONNECT_SECONDS = 5.0
_POOL = 256
_POOL_KEEP_SECONDS = 3.0  # less than uvicorn's 5: a POST must not be the one to find that a kept connection has just been closed
_READ_BYTES = 64 * 1024
_MAX_HEADER_BYTES = 32 * 1024
_SKIPPED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # aiohttp would add its own
_log = logging.getLogger(__name__)


class UpstreamFailed(Exception):
    """Nothing was answered yet; `refusal` says what to answer now, `kind` is the metric's."""

    def __init__(self, refusal: Refusal, kind: str) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
        self.kind = kind


class ClientGone(Exception):
    """There is nobody to answer."""


class CutShort(Exception):
    """The upstream failed amid its response: the client's connection must end without its proper end."""


class Proxy:
    """Needs a running loop. Close it when done."""

    def __init__(self, settings: Settings) -> None:
        host = f"[{settings.upstream.host}]" if ":" in settings.upstream.host else settings.upstream.host
        self._base = f"http://{host}:{settings.upstream.port}"
        self._idle_seconds = settings.idle_seconds
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_POOL, keepalive_timeout=_POOL_KEEP_SECONDS),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_SKIPPED,
            read_bufsize=_READ_BYTES,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )

    async def close(self) -> None:
        await self._session.close()

    async def upstream_is_ready(self, timeout_seconds: float) -> bool:
        try:
            async with asyncio.timeout(timeout_seconds), self._session.get(f"{self._base}/readyz", allow_redirects=False) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def forward(self, head: Head, query: bytes, headers: Headers, receive: Receive, send: Send) -> int:
        """The status that was relayed. Raises `UpstreamFailed`, `ClientGone` or `CutShort`."""
        upload = _Upload(receive, head.has_body)
        exchange = _Exchange(upload, send)
        try:
            async with asyncio.timeout(self._idle_seconds) as idle:
                exchange.touch = upload.touch = lambda: idle.reschedule(asyncio.get_running_loop().time() + self._idle_seconds)
                return await exchange.run(self._request(head, query, headers, upload))
        except (aiohttp.ClientError, OSError) as error:
            if upload.client_gone:
                raise ClientGone from None
            _log.warning("the training service failed", extra={"error": type(error).__name__, "path": head.path.decode("latin-1")})
            if exchange.started:
                raise CutShort from None
            raise _failure(error, upload) from None

    def _request(self, head: Head, query: bytes, headers: Headers, upload: "_Upload") -> "aiohttp.client._RequestContextManager":
        target = head.path + (b"?" + query if query else b"")
        return self._session.request(
            head.method,
            URL(self._base + target.decode("ascii"), encoded=True),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers],
            data=upload.chunks() if head.has_body else None,
            allow_redirects=False,
        )


class _Upload:
    """The client's body. It alone receives while the exchange runs; what it leaves is for the linger."""

    def __init__(self, receive: Receive, has_body: bool) -> None:
        self._receive = receive
        self.complete = not has_body
        self.client_gone = False
        self.waiting = False
        self.touch = _nothing

    async def chunks(self) -> AsyncIterator[bytes]:
        while not self.complete:
            self.waiting = True
            message = await self._receive()
            self.waiting = False
            self.touch()
            if message["type"] == "http.disconnect":
                self.client_gone = True
                raise ConnectionResetError("the client is gone")
            self.complete = not message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async def until_client_is_gone(self) -> None:
        """Only for an upload that is complete."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_gone = True


class _Exchange:
    def __init__(self, upload: _Upload, send: Send) -> None:
        self._upload = upload
        self._send = send
        self.started = False
        self.touch = _nothing

    async def run(self, request: "aiohttp.client._RequestContextManager") -> int:
        async with request as answer:
            self.touch()
            await self._start(answer)
            watch = asyncio.create_task(self._upload.until_client_is_gone()) if self._upload.complete else None
            try:
                await self._relay(answer)
            finally:
                if watch is not None:
                    watch.cancel()
            if not self._upload.complete:
                answer.close()  # ends the upload too
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        return answer.status

    async def _start(self, answer: aiohttp.ClientResponse) -> None:
        headers = end_to_end([(name.lower(), value) for name, value in answer.raw_headers])
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
        self.started = True

    async def _relay(self, answer: aiohttp.ClientResponse) -> None:
        async for chunk in answer.content.iter_any():
            self.touch()
            if self._upload.client_gone:
                raise ClientGone
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
            self.touch()


def _nothing() -> None:
    pass


def _failure(error: Exception, upload: _Upload) -> UpstreamFailed:
    if isinstance(error, aiohttp.ConnectionTimeoutError) or not isinstance(error, TimeoutError):
        kind = "connect" if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) else "answer"
        return UpstreamFailed(Refusal.UPSTREAM_UNAVAILABLE, kind)
    return UpstreamFailed(Refusal.REQUEST_TIMEOUT if upload.waiting else Refusal.UPSTREAM_TIMEOUT, "timeout")
