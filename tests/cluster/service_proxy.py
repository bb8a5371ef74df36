"""A proxy in front of a training service that answers late, wrongly, or not at all: so many times, or until `mend`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

from aiohttp import ClientError, ClientSession, ClientTimeout, web


class Asked(NamedTuple):
    """`path` is with its query."""

    method: str
    path: str


Match = Callable[[Asked], bool]


@dataclass
class Behaviour:
    """`after`: the service does what it was asked, and its answer is lost. `hits`: how many requests it has met."""

    match: Match
    status: int | None
    body: bytes
    seconds: float
    after: bool
    times: int | None
    hits: int = 0
    met: asyncio.Event = field(default_factory=asyncio.Event)

    def meets(self, asked: Asked) -> bool:
        if (self.times is not None and self.hits >= self.times) or not self.match(asked):
            return False
        self.hits += 1
        self.met.set()
        return True


class ServiceProxy:
    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._behaviours: list[Behaviour] = []
        self.asked: list[Asked] = []
        self.url = ""

    def behave(
        self,
        match: Match,
        status: int | None = None,
        body: bytes = b"",
        *,
        seconds: float = 0.0,
        after: bool = False,
        times: int | None = None,
    ) -> Behaviour:
        """The answer is this one so much later; without a status there is none, and the connection is reset."""
        behaviour = Behaviour(match, status, body, seconds, after, times)
        self._behaviours.append(behaviour)
        return behaviour

    def mend(self) -> None:
        self._behaviours.clear()

    def count(self, match: Match) -> int:
        return sum(match(asked) for asked in self.asked)

    async def __aenter__(self) -> Self:
        self._session = ClientSession(self._upstream, timeout=ClientTimeout(total=30), auto_decompress=False)
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _serve(self, incoming: web.Request) -> web.StreamResponse:
        asked = Asked(incoming.method, incoming.path_qs)
        self.asked.append(asked)
        behaviour = next((b for b in self._behaviours if b.meets(asked)), None)
        body = await incoming.read()
        if behaviour is None:
            return await self._pass_on(incoming, asked, body)
        if behaviour.after:
            await self._pass_on(incoming, asked, body)
        await asyncio.sleep(behaviour.seconds)
        if behaviour.status is None:
            assert incoming.transport is not None
            incoming.transport.abort()
            return web.Response()
        return web.Response(status=behaviour.status, body=behaviour.body)

    async def _pass_on(self, incoming: web.Request, asked: Asked, body: bytes) -> web.Response:
        headers = {name: incoming.headers[name] for name in ("Authorization", "Content-Type") if name in incoming.headers}
        try:
            async with self._session.request(asked.method, asked.path, data=body, headers=headers) as answer:
                kept = {name: answer.headers[name] for name in ("Content-Type", "Retry-After") if name in answer.headers}
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)
        except ClientError:
            assert incoming.transport is not None
            incoming.transport.abort()
            return web.Response()


def starts(asked: Asked) -> bool:
    return asked.method == "PUT"


def of_jobs(asked: Asked) -> bool:
    """About one job: not the question of what changed."""
    return "/tenants/" in asked.path
