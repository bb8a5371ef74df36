"""`fanout_server levain|plain EVENTS`: serves viewers; for each line, a size of bursts, publishes the events and tells the CPU seconds."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

import uvloop
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from bench.live_service import event, live_service
from bench.sockets import Target
from levain_asgi.server import AsgiServer
from levain_contracts import frames
from levain_contracts.events import Event, encode

_PAUSE_SECONDS = 0.02  # longer than the moment in which the service joins frames
_SETTLE_SECONDS = 0.5  # what is buffered still costs

Publish = Callable[[Event], Awaitable[None]]


async def levain(count: int) -> None:
    """The real service. No viewer is told apart from another."""
    async with live_service() as live:

        async def publish(one: Event) -> None:
            await live.broker.publish_event(one.type.value, encode(one))

        await measure(live.target, publish, count)


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
    await measure(Target(server.port, "/live", "none", '"snapshot"'), publish, count)
    await server.stop()


async def measure(target: Target, publish: Publish, count: int) -> None:
    print(json.dumps(target._asdict()), flush=True)
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
