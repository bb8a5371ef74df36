"""A proxy in front of an API server that fails as API servers do. What it is told holds until it is told otherwise."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict
from tests.cluster.control_plane import Cluster
from yarl import URL

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
# Of one connection alone, or made anew by aiohttp.
_NOT_PASSED_ON = {"connection", "keep-alive", "transfer-encoding", "host", "date", "server"}
_NOT_MADE_UP = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Kind(NamedTuple):
    """What requests are counted by. `resource` is empty where the path is of none: discovery, `/version`, `/readyz`."""

    method: str
    resource: str = ""
    subresource: str = ""
    watch: bool = False


@dataclass(frozen=True)
class Request:
    """As the API server reads it: `namespace` and `name` are empty where the path has none."""

    kind: Kind
    namespace: str
    name: str
    path: str
    query: Mapping[str, str]
    body: bytes

    @property
    def method(self) -> str:
        return self.kind.method

    @property
    def resource(self) -> str:
        return self.kind.resource

    @property
    def subresource(self) -> str:
        return self.kind.subresource

    @property
    def watch(self) -> bool:
        return self.kind.watch


Match = Callable[[Request], bool]


@dataclass
class Fault:
    """`hits`: how many requests it has met."""

    match: Match
    status: int
    times: int | None
    retry_after: float | None
    after: bool
    hits: int = 0

    def answer(self) -> web.Response:
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": f"injected: {_REASONS[self.status]}",
            "reason": _REASONS[self.status],
            "code": self.status,
        }
        if self.retry_after is None:
            return web.json_response(status, status=self.status)
        status["details"] = {"retryAfterSeconds": int(self.retry_after)}
        return web.json_response(status, status=self.status, headers={"Retry-After": f"{self.retry_after:g}"})


@dataclass
class Hold:
    """`waiting`: how many requests it holds now."""

    match: Match
    waiting: int = 0
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        self._released.set()

    async def wait(self) -> None:
        self.waiting += 1
        try:
            await self._released.wait()
        finally:
            self.waiting -= 1


class FaultProxy:
    """Plain HTTP on `url` in the event loop that enters it. No upgrades: neither exec nor port-forward."""

    def __init__(self, cluster: Cluster) -> None:
        self._upstream = URL(cluster.url)
        self._trusted = ssl.create_default_context(cafile=cluster.ca_file if cluster.ca_file.exists() else None)
        self.requests: Counter[Kind] = Counter()  # that came in, whatever became of them
        self.watches = 0  # open now
        self.url = ""
        self._faults: list[Fault] = []
        self._holds: list[Hold] = []
        self._passing = asyncio.Event()
        self._passing.set()

    def fail(self, match: Match, status: int, times: int | None = None, *, retry_after: float | None = None, after: bool = False) -> Fault:
        """Answers with a Kubernetes Status, so many times. `after`: the request is carried out, and its sender is not told.

        The first fault that matches is the one; a used-up one matches no more.
        """
        fault = Fault(match, status, times, retry_after, after)
        self._faults.append(fault)
        return fault

    def hold(self, match: Match) -> Hold:
        """Answers nothing, and passes nothing on, until released. A request whose sender gives up meanwhile is never carried out."""
        hold = Hold(match)
        self._holds.append(hold)
        return hold

    def silence(self) -> None:
        """Watches stay open, and what they would say waits here until `mend`. All other requests are answered."""
        self._passing.clear()

    def mend(self) -> None:
        """Ends all faults, holds and silence."""
        self._faults.clear()
        for hold in self._holds:
            hold.release()
        self._holds.clear()
        self._passing.set()

    def count(self, match: Callable[[Kind], bool]) -> int:
        return sum(times for kind, times in self.requests.items() if match(kind))

    async def __aenter__(self) -> Self:
        self._session = ClientSession(
            connector=TCPConnector(ssl=self._trusted, limit=0), timeout=ClientTimeout(total=None), auto_decompress=False
        )
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_route("*", "/{path:.*}", self._serve)
        # Cancelled when the sender leaves: its watch upstream must not outlive it.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.mend()
        await self._runner.cleanup()
        await self._session.close()

    async def _serve(self, incoming: web.Request) -> web.StreamResponse:
        request = read(incoming.method, incoming.path, incoming.query, await incoming.read())
        self.requests[request.kind] += 1
        for hold in [hold for hold in self._holds if hold.match(request)]:
            await hold.wait()
        fault = self._fault(request)
        if fault is not None and not fault.after:
            return fault.answer()
        if not request.watch:
            return await self._pass_on(incoming, request, fault)
        self.watches += 1
        try:
            return await self._pass_on(incoming, request, fault)
        finally:
            self.watches -= 1

    async def _pass_on(self, incoming: web.Request, request: Request, fault: Fault | None) -> web.StreamResponse:
        try:
            async with self._session.request(
                request.method,
                self._upstream.join(URL(incoming.raw_path, encoded=True)),
                headers=_passed_on(incoming.headers),
                data=request.body or None,
                allow_redirects=False,
                skip_auto_headers=_NOT_MADE_UP,
            ) as answer:
                try:
                    return await self._answer(incoming, request, fault, answer)
                finally:
                    # A watch that is left in the middle: a polite end of its TLS would outlive us.
                    if answer.connection is not None and answer.connection.transport is not None:
                        answer.connection.transport.abort()
        except (ClientError, OSError):
            # As if the API server itself had gone: no answer that it never gave.
            if incoming.transport is not None:
                incoming.transport.abort()
            return web.Response(status=502)

    async def _answer(self, incoming: web.Request, request: Request, fault: Fault | None, answer: ClientResponse) -> web.StreamResponse:
        if fault is not None:
            if not request.watch:
                await answer.read()  # it is carried out once it is answered
            return fault.answer()
        outgoing = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_passed_on(answer.headers))
        await outgoing.prepare(incoming)
        async for piece in answer.content.iter_any():
            await self._loud(request)
            await outgoing.write(piece)
        await self._loud(request)  # an end is as silent as the rest
        await outgoing.write_eof()
        return outgoing

    async def _loud(self, request: Request) -> None:
        if request.watch:
            await self._passing.wait()

    def _fault(self, request: Request) -> Fault | None:
        for fault in self._faults:
            if (fault.times is None or fault.hits < fault.times) and fault.match(request):
                fault.hits += 1
                return fault
        return None


def read(method: str, path: str, query: Mapping[str, str], body: bytes = b"") -> Request:
    """`/api/VERSION/…` or `/apis/GROUP/VERSION/…`, then `[namespaces/NAMESPACE/]RESOURCE[/NAME[/SUBRESOURCE]]`."""
    parts = path.strip("/").split("/")
    start = {"api": 2, "apis": 3}.get(parts[0])
    rest = [] if start is None else parts[start:]
    namespace = ""
    # A namespace is a resource too, and these two are its subresources.
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    elif rest[:1] == ["namespaces"] and len(rest) > 1:
        namespace = rest[1]
    resource, name, subresource = (*rest, "", "", "")[:3]
    watch = method == "GET" and query.get("watch") in ("1", "true", "True")
    return Request(Kind(method, resource, subresource, watch), namespace, name, path, dict(query), body)


def _passed_on(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON)
