"""A real HTTP and WebSocket server that plays one job's history, with cuts, losses and close codes as a test orders them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import WSCloseCode, web

from levain_contracts import frames
from levain_contracts.events import CompletedData, Event, EventData, FailedData, ProductData, ProductFailure, StartedData
from levain_contracts.frames import Frame, SnapshotData
from levain_contracts.jobs import JobState
from levain_contracts.progress import progress
from levain_contracts.viewer import ViewerState, apply

TENANT, JOB = "demo", "job-1"
TIME = datetime(2026, 1, 1, tzinfo=UTC)


def event_frame(seq: int, percent: int, data: EventData) -> Frame:
    return frames.frame(Event(TENANT, JOB, seq, TIME, percent, data))


def history(products: int, failing: frozenset[int] = frozenset(), *, failed_at: str | None = None) -> list[Frame]:
    """All frames of a job in order; product `n` of `failing` fails. `failed_at`: the job fails in its analysis with that message."""
    if failed_at is not None:
        end = FailedData(reason="unparsable", message=failed_at, successful=0, failed=0, duration_seconds=1.0)
        return [event_frame(1, 0, StartedData()), event_frame(2, 0, end)]
    out = [event_frame(1, 0, StartedData(total_products=products))]
    failed = 0
    failures = []
    for n in range(products):
        bad = n in failing
        failed += bad
        data = ProductData(
            product_id=f"p{n}",
            product=f"Product {n}",
            status="failed" if bad else "trained",
            reason="too_little_history" if bad else None,
            products_completed=n + 1,
            products_failed=failed,
            total_products=products,
        )
        if bad:
            failures.append(ProductFailure(product_id=f"p{n}", product=f"Product {n}", seq=n + 2, reason="too_little_history"))
        out.append(event_frame(n + 2, progress(n + 1, products), data))
    done = CompletedData(
        successful=products - failed, failed=failed, total_products=products, duration_seconds=1.0, failures=tuple(failures[:20])
    )
    out.append(event_frame(products + 2, 100, done))
    return out


def snapshot_after(sent: list[Frame]) -> Frame:
    """The snapshot of the store after these events."""
    s = state_after(sent)
    data = SnapshotData(
        state=s.state or JobState.TRAINING,
        stage=s.stage,
        suspended=False,
        products_completed=s.products_completed,
        products_failed=s.products_failed,
        total_products=s.total_products,
        failures=tuple(
            ProductFailure(product_id=f.product_id, product=f.product, shop=f.shop, seq=f.seq, reason=f.reason, message=f.message)
            for f in s.failures
        ),
        reason=s.reason,
        message=s.message,
    )
    return frames.snapshot(TENANT, JOB, s.latest_seq, TIME, s.progress, data)


def state_after(sent: list[Frame]) -> ViewerState:
    state = ViewerState()
    for frame in sent:
        state = apply(state, frame)
    return state


Script = Callable[["FakeService", web.WebSocketResponse, int], Awaitable[None]]


@dataclass
class FakeService:
    """`script` is called with each live socket and its number (0 for the first); `reads` counts closing reads."""

    history: list[Frame]
    script: Script | None = None
    at: int = 0
    connections: int = 0
    reads: int = 0
    page: int = 1000
    tokens: set[str] = field(default_factory=set)
    url: str = ""
    failing_calls: int = 0

    async def send(self, socket: web.WebSocketResponse, upto: int, *, lost: frozenset[int] = frozenset()) -> None:
        """Sends the frames up to number `upto`; those of `lost` never arrive."""
        while self.at < min(upto, len(self.history)):
            frame = self.history[self.at]
            self.at += 1
            if frame.seq not in lost:
                await socket.send_str(frames.encode(frame).decode())

    async def open(self, socket: web.WebSocketResponse) -> None:
        await socket.send_str(frames.encode(snapshot_after(self.history[: self.at])).decode())

    async def live(self, request: web.Request) -> web.WebSocketResponse:
        number, self.connections = self.connections, self.connections + 1
        self.tokens.add(request.headers.get("Authorization", ""))
        socket = web.WebSocketResponse(protocols=["levain.v1"])
        await socket.prepare(request)
        assert self.script is not None
        await self.script(self, socket, number)
        await socket.close(code=WSCloseCode.OK)
        return socket

    async def products(self, request: web.Request) -> web.Response:
        self.reads += 1
        if self.failing_calls > 0:
            self.failing_calls -= 1
            return web.json_response({"type": "t", "title": "t", "status": 503, "detail": "away", "code": "away"}, status=503)
        after_seq, after = int(request.query.get("after_seq", "0")), int(request.query.get("after") or "-1")
        known = [f for f in self.history[: self.at] if f.type is frames.FrameType.PRODUCT_COMPLETED and f.seq > after_seq and f.seq > after]
        items = [
            {"product_id": f.data["product_id"], "product": f.data["product"], "shop": None, "status": f.data["status"], "seq": f.seq}
            | ({"reason": f.data["reason"]} if f.data["reason"] else {})
            for f in known[: self.page]
        ]
        more = str(known[self.page - 1].seq) if len(known) > self.page else None
        return web.json_response({"items": items, "next": more, "seq": self.at})


@asynccontextmanager
async def serving(service: FakeService) -> AsyncIterator[FakeService]:
    app = web.Application()
    base = f"/api/v1/tenants/{TENANT}/training/jobs/{JOB}"
    app.router.add_get(f"{base}/live", service.live)
    app.router.add_get(f"{base}/products", service.products)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield service
    finally:
        await runner.cleanup()
