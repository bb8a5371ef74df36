"""Real parts for the gateway's tests: a gateway, upstreams of every temper, tokens, and clients down to raw sockets."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import uvicorn
import uvloop
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from levain_asgi.linger import Linger
from levain_contracts.claims import Role, TrustedIssuer, sign
from levain_gateway.server import GatewayServer
from levain_gateway.settings import Settings
from levain_jwks import Fetch
from levain_settings.readers import Listen

SECRET = "tests-tests-tests-tests-tests-tests"
ISSUER = TrustedIssuer(issuer="tests", secret=SecretStr(SECRET))
TENANT = "acme"
LIVE = f"/api/v1/tenants/{TENANT}/training/jobs/j1/live"
JOBS = f"/api/v1/tenants/{TENANT}/training/jobs"
UPLOAD = f"/api/v1/tenants/{TENANT}/training/datasets/sales"
UPLOAD_LIMIT_BYTES = 1024 * 1024
KEY = base64.b64encode(b"0123456789abcdef").decode()
ACCEPT = base64.b64encode(hashlib.sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
SWITCHING = (
    f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n".encode()
)

T = TypeVar("T")
Stub = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(work: Coroutine[Any, Any, T], *, seconds: float = 40, loop: str = "uvloop") -> T:
    """In a loop of its own, of the kind that the processes use; a test that hangs fails."""

    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            return await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop) as runner:
        return runner.run(bounded())


def run_on_both_loops(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Where transports matter: uvloop's differ from asyncio's."""
    for loop in ("uvloop", "asyncio"):
        run(work(), loop=loop)


def token(tenant_id: str = TENANT, role: Role = Role.TRAINER, **given: Any) -> str:
    return sign(ISSUER, tenant_id=tenant_id, subject="someone", role=role, **given)


def settings(port: int, **given: Any) -> Settings:
    base = Settings(upstream=Listen("127.0.0.1", port), listen=Listen("127.0.0.1", 0), issuers=(ISSUER,), drain_seconds=0.3)
    return replace(base, **given)


@asynccontextmanager
async def gateway(port: int, *, fetch: Fetch | None = None, **given: Any) -> AsyncIterator[GatewayServer]:
    server = GatewayServer(settings(port, **given), fetch=fetch)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0)


@asynccontextmanager
async def stub(serve: Stub) -> AsyncIterator[int]:
    """A TCP server on a free port; its connections are dropped at the end."""
    writers: set[asyncio.StreamWriter] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for writer in writers:
            writer.transport.abort()
        server.close()
        await server.wait_closed()


def answering(answer: bytes, then: Stub | None = None) -> Stub:
    """A stub that reads a head, answers in one write, then does `then`, else closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if then is not None:
            await then(reader, writer)
        writer.close()

    return serve


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


class Service:
    """A small training service: what it saw is in `heads`, `bodies` and `live`."""

    def __init__(self) -> None:
        self.heads: list[tuple[str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.live: list[WebSocket] = []
        self.app = FastAPI()
        self.app.add_api_route("/readyz", self._ready)
        self.app.add_api_route(JOBS, self._job, methods=["GET", "POST", "PUT", "DELETE"])
        self.app.add_api_route(UPLOAD, self._upload, methods=["PUT", "POST"])
        self.app.add_api_route(f"{JOBS}/stream", self._stream)
        self.app.add_api_route(f"{JOBS}/boom", self._boom)
        self.app.add_api_websocket_route("/api/v1/tenants/{tenant}/training/jobs/{job}/live", self._live)

    async def _ready(self) -> dict[str, bool]:
        return {"ready": True}

    async def _job(self, request: Request) -> dict[str, Any]:
        body = await request.body()
        self.heads.append((str(request.url.query), dict(request.headers)))
        self.bodies.append(body)
        return {"received": len(body), "sha256": hashlib.sha256(body).hexdigest()}

    async def _upload(self, request: Request) -> JSONResponse:
        received = 0
        async for chunk in request.stream():
            received += len(chunk)
            if received > UPLOAD_LIMIT_BYTES:
                problem = {"title": "too large", "detail": f"the limit is {UPLOAD_LIMIT_BYTES} bytes", "status": 413}
                return JSONResponse(problem, 413, media_type="application/problem+json")
        return JSONResponse({"received": received}, 201)

    async def _stream(self) -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            for number in range(1000):
                yield b"%05d" % number * 200

        return StreamingResponse(chunks())

    async def _boom(self) -> JSONResponse:
        return JSONResponse({"title": "boom"}, 500)

    async def _live(self, socket: WebSocket, job: str) -> None:
        """`ended`: a snapshot, a terminal frame, 1000; `unknown`: 4404; another one echoes."""
        self.heads.append((socket.url.query, dict(socket.headers)))
        await socket.accept("levain.v1" if "levain.v1" in socket.scope["subprotocols"] else None)
        if job == "unknown":
            await socket.close(4404, "no such job")
            return
        await socket.send_json({"type": "snapshot"})
        if job == "ended":
            await socket.send_json({"type": "completed"})
            await socket.close(1000)
            return
        self.live.append(socket)
        while (message := await socket.receive())["type"] != "websocket.disconnect":
            await socket.send_text(message["text"])
        self.live.remove(socket)


class Stack(NamedTuple):
    gateway: GatewayServer
    service: Service
    port: int

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@asynccontextmanager
async def service() -> AsyncIterator[tuple[Service, int]]:
    """Served by uvicorn in this loop."""
    made = Service()
    config = uvicorn.Config(Linger(made.app), port=0, log_config=None, access_log=False, lifespan="off", ws="websockets-sansio", http="h11")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield made, server.servers[0].sockets[0].getsockname()[1]
    finally:
        for listener in server.servers:  # uvicorn's own shutdown takes two tenths of a second each time
            listener.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        serving.cancel()
        await asyncio.gather(serving, *server.server_state.tasks, return_exceptions=True)


@asynccontextmanager
async def stack(**given: Any) -> AsyncIterator[Stack]:
    async with service() as (made, port), gateway(port, **given) as server:
        yield Stack(server, made, server.port)


def watch(port: int, bearer: str | None = None, path: str = LIVE, **given: Any) -> connect:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer is not None else {}
    headers |= given.pop("headers", {})
    return connect(f"ws://127.0.0.1:{port}{path}", additional_headers=headers, proxy=None, compression=None, **given)


class Ended(NamedTuple):
    code: int
    reason: str
    frames: list[Any]


async def until_closed(socket: ClientConnection) -> Ended:
    frames = []
    try:
        while True:
            frames.append(json.loads(await socket.recv()))
    except ConnectionClosed as closed:
        return Ended(closed.rcvd.code if closed.rcvd else 1006, closed.rcvd.reason if closed.rcvd else "", frames)


async def closing(port: int, bearer: str | None = None, path: str = LIVE, **given: Any) -> Ended:
    async with watch(port, bearer, path, **given) as socket:
        return await until_closed(socket)


async def exchange(port: int, *parts: bytes, pause_seconds: float = 0.05) -> bytes:
    """What comes back for these writes, until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_seconds)
        return await reader.read()
    finally:
        writer.transport.abort()


def upgrade(path: str = LIVE, bearer: str | None = None, **headers: str) -> bytes:
    """A handshake as bytes; a header given as "" is left out."""
    fields = {
        "Host": "levain.example",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
        "Authorization": f"Bearer {bearer}" if bearer is not None else "",
    }
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


def metric(server: GatewayServer, name: str, **labels: str) -> float:
    value = server.metrics.registry.get_sample_value(f"levain_gateway_{name}", labels)
    assert value is not None, name
    return value


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
