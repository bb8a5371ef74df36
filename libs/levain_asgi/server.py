"""uvicorn as a part of a process: no signal handlers of its own, bound before it says that it runs, stopped by a call."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

_BACKLOG = 2048
_POLL_SECONDS = 0.01


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process, which stops its parts in its own order."""
        yield


class AsgiServer:
    """`options` are uvicorn's. h11 parses HTTP: httptools drops the body of a request that offers `Upgrade: h2c` (uvicorn#2722)."""

    def __init__(self, app: Any, host: str, port: int, **options: Any) -> None:
        self._address = (host, port)
        defaults = {"http": "h11", "lifespan": "off", "log_config": None, "access_log": False, "server_header": False}
        self._server = _Server(uvicorn.Config(app, **(defaults | options)))
        self._serving: asyncio.Task[None] | None = None
        self.port = port

    async def start(self) -> None:
        """Listens from now on; `port` is the real one. Raises OSError where the address can't be had."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listening = socket.create_server(self._address, family=family, backlog=_BACKLOG)
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(_POLL_SECONDS)
        if self._serving.done():
            await self._serving
            raise RuntimeError("the server ended before it had started")

    async def stop(self) -> None:
        """No new connections; requests at work end within uvicorn's `timeout_graceful_shutdown`."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
