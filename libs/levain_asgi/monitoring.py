"""`/metrics`, `/healthz` and `/readyz` of a process that serves nothing else."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


@asynccontextmanager
async def monitored(
    listen: tuple[str, int] | None,
    registry: CollectorRegistry,
    problem: Callable[[], str | None],
    dead: Callable[[], str | None] = lambda: None,
) -> AsyncIterator[int]:
    """On the process's own loop: one that hangs does not answer. `problem`, `dead`: why it is not ready, and why it should be started
    anew. Gives the port, 0 where there is none. Raises OSError where it can't be had.
    """
    if listen is None:
        yield 0
        return

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_: web.Request) -> web.Response:
        line = dead()
        return web.json_response({"status": "dead", "problems": [line]} if line else {"status": "alive"}, status=503 if line else 200)

    async def readyz(_: web.Request) -> web.Response:
        line = problem()
        return web.json_response(
            {"status": "not ready", "problems": [line]} if line else {"status": "ready", "problems": []}, status=503 if line else 200
        )

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, *listen).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
