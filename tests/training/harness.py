"""A real service with real workers on free ports: the store on SQLite, the broker in memory, children that train."""

import asyncio
import io
import json
import os
import socket as socketlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from pydantic import SecretStr
from tests.polling import looked

from levain_broker.memory import MemoryBroker
from levain_contracts import frames
from levain_contracts.claims import Role, TrustedIssuer, sign
from levain_contracts.frames import PROTOCOL, Frame
from levain_contracts.viewer import ProductEnd, ViewerState, apply, close_gap
from levain_training.children import ChildPool
from levain_training.service import TrainingService
from levain_training.settings import Settings
from levain_training.store.engine import make_engine, migrate
from levain_training.worker import Worker, WorkerSettings
from levain_training.worker_metrics import PrometheusWorkerMetrics

ISSUER = TrustedIssuer(issuer="levain-tests", secret=SecretStr("a secret that is long enough for the tests"), roles=tuple(Role))
WAIT_SECONDS = 30.0


def abort(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Cuts the connection under a client's feet: no close frame."""
    file_descriptor = socket.get_extra_info("socket").fileno()
    with socketlib.socket(fileno=os.dup(file_descriptor)) as same:
        same.shutdown(socketlib.SHUT_RDWR)


def sales_csv(products: Mapping[str, int] | list[str], days: int = 120) -> bytes:
    """Daily sales with a weekly season; a mapping gives each product's level."""
    import datetime

    levels = products if isinstance(products, Mapping) else dict.fromkeys(products, 20)
    week = [0, 1, 2, 3, 8, 15, 4]
    start = datetime.date(2024, 1, 1)
    lines = ["date,product,quantity"]
    for i in range(days):
        day = start + datetime.timedelta(days=i)
        lines += [f'{day},"{name}",{level + week[day.weekday()]}' for name, level in levels.items()]
    return ("\n".join(lines) + "\n").encode()


@dataclass
class Client:
    """One tenant's caller. Every answer is (status, JSON or None)."""

    session: aiohttp.ClientSession
    base: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        headers = self.headers | options.pop("headers", {})
        async with self.session.request(method, self.base + path, headers=headers, **options) as response:
            text = await response.text()
            return response.status, json.loads(text) if "json" in (response.content_type or "") else text

    async def upload(self, body: bytes, name: str = "sales") -> Any:
        status, answer = await self.ask("POST", f"/datasets/{name}", data=io.BytesIO(body))
        assert status == 201, answer
        return answer

    async def start(self, job_id: str, model: str, dataset: str = "sales", **spec: Any) -> Any:
        status, job = await self.ask("PUT", f"/jobs/{job_id}", json={"dataset": {"name": dataset}, "model": model, **spec})
        assert status == 202, job
        return job

    async def job(self, job_id: str) -> Any:
        status, job = await self.ask("GET", f"/jobs/{job_id}")
        assert status == 200, job
        return job

    async def wait_for(self, job_id: str, wanted: Callable[[Any], bool], seconds: float = WAIT_SECONDS) -> Any:
        async with asyncio.timeout(seconds):
            return await looked(lambda: self.job(job_id), wanted)

    async def ended(self, job_id: str, seconds: float = WAIT_SECONDS) -> Any:
        return await self.wait_for(job_id, lambda job: job["state"] in ("completed", "failed", "cancelled"), seconds)

    def live(self, job_id: str, **options: Any) -> Any:
        return self.session.ws_connect(f"{self.base}/jobs/{job_id}/live", headers=self.headers, protocols=[PROTOCOL], **options)

    async def watch(self, job_id: str, seconds: float = WAIT_SECONDS) -> "Watched":
        """Until the server closes."""
        watched = Watched()
        async with asyncio.timeout(seconds), self.live(job_id) as socket:
            async for message in socket:
                watched.take(message.data)
            watched.code = socket.close_code
        await watched.close_gap(self, job_id)
        return watched

    async def ends(self, job_id: str) -> dict[str, Any]:
        _, page = await self.ask("GET", f"/jobs/{job_id}/products?limit=1000")
        return {p["product"]: p for p in page["items"]}


@dataclass
class Watched:
    """What a viewer saw, in order, and its state by the join."""

    frames: list[Frame] = field(default_factory=list)
    state: ViewerState = field(default_factory=ViewerState)
    code: int | None = None

    def take(self, text: str) -> None:
        frame = frames.decode(text)
        assert frame is not None, text
        self.frames.append(frame)
        self.state = apply(self.state, frame)

    async def close_gap(self, client: Client, job_id: str) -> None:
        while self.state.gap:
            status, page = await client.ask("GET", f"/jobs/{job_id}/products?after_seq={self.state.closed_seq}&limit=1000")
            assert status == 200
            ends = [
                (p["seq"], ProductEnd(p["product_id"], p["product"], p["shop"], p["status"], p["reason"], p["message"]))
                for p in page["items"]
            ]
            self.state = close_gap(self.state, page["seq"], ends)

    @property
    def types(self) -> list[str]:
        return [f.type.value for f in self.frames]


@dataclass
class Stack:
    service: TrainingService
    broker: MemoryBroker
    session: aiohttp.ClientSession

    def client(self, tenant: str = "anna", role: Role = Role.TRAINER, lifetime_seconds: int = 600) -> Client:
        token = sign(ISSUER, tenant_id=tenant, subject="test", role=role, lifetime_seconds=lifetime_seconds)
        return Client(self.session, f"http://127.0.0.1:{self.service.port}/api/v1/tenants/{tenant}/training", token)

    def metric(self, name: str, **labels: str) -> float:
        return self.service.metrics.registry.get_sample_value(name, labels) or 0.0

    async def repairs(self) -> dict[str, float]:
        return {
            sample.labels["kind"]: sample.value
            for metric in self.service.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == "levain_training_repairs_total" and sample.value
        }


@asynccontextmanager
async def running(folder: Path, *, slots: int = 2, **settings: Any) -> AsyncIterator[Stack]:
    url = f"sqlite:///{folder / 'levain.db'}"
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    broker = MemoryBroker()
    chosen = {"reconcile_seconds": 0.5, "drain_seconds": 0.2} | settings
    service = TrainingService(Settings(database_url=url, issuers=(ISSUER,), **chosen), broker)
    pool = ChildPool(max_children=max(slots, 1))
    worker = Worker(broker, pool, WorkerSettings(slots=slots), PrometheusWorkerMetrics(service.metrics.registry))
    await service.start()
    working = asyncio.create_task(worker.run()) if slots else None
    try:
        async with aiohttp.ClientSession() as session:
            yield Stack(service, broker, session)
    finally:
        if working is not None:
            await worker.stop(grace_seconds=0.5)
            await working
        await service.stop()
        await pool.close()
        await broker.close()


def run(scenario: Callable[[Stack], Coroutine[Any, Any, None]], folder: Path, **settings: Any) -> None:
    """One scenario on a stack of its own."""

    async def whole() -> None:
        async with asyncio.timeout(55), running(folder, **settings) as stack:
            await scenario(stack)

    # The loop of the real processes.
    uvloop.run(whole())
