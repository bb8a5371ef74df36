"""`pumps UPSTREAM_PORT`: a gateway as it is usually written, FastAPI and a `websockets` client with two tasks that pump. It says its port.

Its pings and its compression are off, which spares it work.
"""

import asyncio
import sys

import uvloop
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.processes import ISSUER
from levain_asgi.server import AsgiServer
from levain_contracts.claims import TokenRefused, verify

UPSTREAM = f"ws://127.0.0.1:{sys.argv[1]}"
app = FastAPI()


@app.websocket("/api/v1/tenants/{tenant_id}/training/jobs/{job_id}/live")
async def live(websocket: WebSocket, tenant_id: str, job_id: str) -> None:
    await websocket.accept()
    authorization = websocket.headers.get("authorization", "")
    try:
        claims = verify(authorization.removeprefix("Bearer "), (ISSUER,))
    except TokenRefused:
        await websocket.close(4401)
        return
    if claims.tenant_id != tenant_id:
        await websocket.close(4403)
        return
    address = f"{UPSTREAM}/api/v1/tenants/{tenant_id}/training/jobs/{job_id}/live"
    headers = {"Authorization": authorization}
    async with connect(address, additional_headers=headers, compression=None, ping_interval=None) as upstream:
        pumps = {asyncio.create_task(_up(websocket, upstream)), asyncio.create_task(_down(upstream, websocket))}
        _, left = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in left:
            pump.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _up(websocket: WebSocket, upstream: ClientConnection) -> None:
    try:
        while True:
            await upstream.send(await websocket.receive_text())
    except (WebSocketDisconnect, ConnectionClosed):
        pass


async def _down(upstream: ClientConnection, websocket: WebSocket) -> None:
    try:
        async for message in upstream:
            await websocket.send_text(message if isinstance(message, str) else message.decode())
    except (WebSocketDisconnect, ConnectionClosed):
        pass


async def main() -> None:
    server = AsgiServer(app, "127.0.0.1", 0, ws="websockets-sansio", ws_per_message_deflate=False, ws_ping_interval=None)
    await server.start()
    print(server.port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()


uvloop.run(main())
