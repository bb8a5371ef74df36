"""The gateway as a whole, to be run in any loop: alone (`__main__`) or beside the training service in one process. Handles no signals."""

import asyncio
import functools
import logging

from levain_asgi.server import AsgiServer
from levain_gateway.app import create_app
from levain_gateway.gate import Gate
from levain_gateway.http_protocol import MAX_HEAD_BYTES, GatewayHttp
from levain_gateway.metrics import Metrics
from levain_gateway.proxy import Proxy
from levain_gateway.registry import Tunnels
from levain_gateway.settings import Settings
from levain_jwks import Fetch
from levain_jwks.verifier import TokenVerifier

_READINESS_SECONDS = 2.0
_SETTLE_SECONDS = 1.0  # well below a usual scrape's interval of 15 to 60
_HTTP_GRACE_SECONDS = 2
_MAX_HTTP_CONNECTIONS = 16_384  # beside the live sockets, most of them idle; over it uvicorn answers 503
_KEEP_ALIVE_SECONDS = 75  # longer than the 60 s of usual load balancers: who closes first must not be the one that is sent a POST
_log = logging.getLogger(__name__)


class GatewayServer:
    """`fetch` replaces the https fetch of JWKS. `port` and `metrics_port` are known after `start`."""

    def __init__(self, settings: Settings, *, fetch: Fetch | None = None) -> None:
        self._settings = settings
        self._given_fetch = fetch
        self.metrics = Metrics()
        self._background: list[asyncio.Task[None]] = []
        self.port = 0
        self.metrics_port: int | None = None

    async def start(self) -> None:
        """Returns once connections are accepted. Raises OSError when an address can't be had."""
        if self._settings.metrics_listen is not None:
            self.metrics_port = self.metrics.serve(*self._settings.metrics_listen)
        self._verifier = TokenVerifier(self._settings.issuers, tenant_claim=self._settings.tenant_claim, fetch=self._given_fetch)
        self._proxy = Proxy(self._settings)
        self.gate = Gate(
            self._settings,
            self._verifier,
            self.metrics,
            Tunnels(limit=self._settings.max_connections, limit_per_tenant=self._settings.max_connections_per_tenant),
        )
        self._server = self._asgi_server()
        try:
            await self._server.start()
        except OSError:
            await self._close()
            raise
        self._background = [
            asyncio.create_task(self._verifier.run()),
            asyncio.create_task(self._watch_upstream()),
            asyncio.create_task(self._settle()),
        ]
        self.port = self._server.port
        _log.info("the gateway listens", extra={"port": self.port})

    async def stop(self, drain_window_seconds: float | None = None) -> None:
        """Readiness goes false, live sockets close with 1012 spread over the window (the setting's, unless given), HTTP in flight ends."""
        window = self._settings.drain_seconds if drain_window_seconds is None else drain_window_seconds
        self.metrics.drain_began()
        await self.gate.tunnels.drain(window)
        await self._server.stop()
        await self.gate.tunnels.drain(0)  # those that came between the drain and the end of listening
        await self._close()

    async def _close(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._proxy.close()
        await self._verifier.close()
        await asyncio.to_thread(self.metrics.stop)

    async def _watch_upstream(self) -> None:
        while True:
            self.gate.upstream_ready = await self._proxy.upstream_is_ready(_READINESS_SECONDS)
            self.metrics.upstream_is(ready=self.gate.upstream_ready)
            await asyncio.sleep(_READINESS_SECONDS)

    async def _settle(self) -> None:
        while True:
            await asyncio.sleep(_SETTLE_SECONDS)
            self.gate.tunnels.settle(self.metrics)

    def _asgi_server(self) -> AsgiServer:
        return AsgiServer(
            create_app(self.gate, self._proxy),
            *self._settings.listen,
            http=functools.partial(GatewayHttp, self.gate),
            ws="none",
            interface="asgi3",
            proxy_headers=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            limit_concurrency=_MAX_HTTP_CONNECTIONS,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            timeout_graceful_shutdown=_HTTP_GRACE_SECONDS,
        )
