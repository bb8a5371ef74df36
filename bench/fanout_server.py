"""`fanout_server levain|plain EVENTS`: serves viewers; for each line, a size of bursts, publishes the events and tells the CPU seconds."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from pydantic import SecretStr

from levain_asgi.server import AsgiServer
from levain_broker.memory import MemoryBroker
from levain_contracts import frames
from levain_contracts.claims import TrustedIssuer, sign
from levain_contracts.events import Event, ProductData, encode
from levain_contracts.ids import product_id
from levain_contracts.resources import DatasetRef, JobSpec
from levain_training.service import TrainingService
from levain_training.settings import Settings
from levain_training.store import jobs
from levain_training.store.engine import make_engine, migrate

_PAUSE_SECONDS = 0.02  # longer than the moment in which the service joins frames
_SETTLE_SECONDS = 0.5  # what is buffered still costs

Publish = Callable[[Event], Awaitable[None]]


def event(seq: int) -> Event:
    data = ProductData(
        product_id=product_id(None, f"Baguette {seq}"),
        product=f"Baguette {seq}",
        status="trained",
        products_completed=seq,
        products_failed=0,
        total_products=1000,
    )
    return Event("bench", "bench", seq + 1, datetime.now(UTC), 20, data)


async def levain(count: int) -> None:
    """The real service: broker, consumer, hub, sockets. No viewer is told apart from another."""
    issuer = TrustedIssuer(issuer="bench", secret=SecretStr("a secret that is only for this benchmark"))
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'levain.db'}"
        engine = make_engine(url)
        migrate(engine)
        engine.dispose()
        broker = MemoryBroker()
        service = TrainingService(Settings(url, (issuer,), level_seconds=3600), broker)
        await service.start()
        spec = JobSpec(dataset=DatasetRef(name="none"))
        # Suspended, so that no analyst takes it.
        await service.store.write(jobs.create, "bench", "bench", spec, {"suspended": True}, time.time())

        async def publish(one: Event) -> None:
            await broker.publish_event(one.type.value, encode(one))

        path = "/api/v1/tenants/bench/training/jobs/bench/live"
        await measure(service.port, path, sign(issuer, tenant_id="bench", subject="bench"), '"snapshot"', publish, count)
        await service.stop(0)
        await broker.close()


async def plain(count: int) -> None:
    """The usual: a list of sockets, and `await send_text` for each."""
    app, viewers = FastAPI(), list[WebSocket]()

    @app.websocket("/live")
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        viewers.append(websocket)
        await websocket.send_text('{"type":"snapshot"}')
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            viewers.remove(websocket)

    async def publish(one: Event) -> None:
        text = frames.encode(frames.frame(one)).decode()
        for websocket in viewers:
            await websocket.send_text(text)

    server = AsgiServer(app, "127.0.0.1", 0, ws="websockets-sansio", ws_per_message_deflate=False)
    await server.start()
    await measure(server.port, "/live", "none", '"snapshot"', publish, count)
    await server.stop()


async def measure(port: int, path: str, token: str, first: str, publish: Publish, count: int) -> None:
    print(json.dumps({"port": port, "path": path, "token": token, "first": first}), flush=True)
    seq = 0
    while burst := await asyncio.to_thread(sys.stdin.readline):
        before = time.process_time()
        for i in range(count):
            seq += 1
            await publish(event(seq))
            # A broker hands over one event a turn of the loop.
            await asyncio.sleep(0 if (i + 1) % int(burst) else _PAUSE_SECONDS)
        await asyncio.sleep(_SETTLE_SECONDS)
        print(json.dumps({"cpu_seconds": time.process_time() - before}), flush=True)


uvloop.run({"levain": levain, "plain": plain}[sys.argv[1]](int(sys.argv[2])))
