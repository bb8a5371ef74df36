"""The composition root of the embedded stack: broker, training service, workers and gateway in one process on one loop.

The same parts as on a cluster, joined by real sockets: only the broker is the one in memory, and the store a SQLite file.
"""

import asyncio
import gc
import logging
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry

import levain_gateway.settings
import levain_training.settings
from levain.errors import CommandFailed
from levain.listening import cant_listen, reached_at, written
from levain.tokens import issuer_of, signed
from levain_asgi.monitoring import monitored
from levain_broker.memory import MemoryBroker
from levain_contracts.claims import Role
from levain_contracts.events import EventType, decode
from levain_contracts.resources import JobSpec
from levain_gateway.server import GatewayServer
from levain_settings.readers import Listen
from levain_training.children import ChildPool
from levain_training.forecasting.registry import model_names
from levain_training.metrics import Metrics
from levain_training.service import TrainingService
from levain_training.store.batches import lapse_all
from levain_training.store.engine import StoreUnavailable, make_engine, migrate
from levain_training.store.jobs import find
from levain_training.worker import Worker, WorkerSettings
from levain_training.worker_metrics import PrometheusWorkerMetrics

log = logging.getLogger(__name__)

HERE = Listen("127.0.0.1", 0)
_READY_SECONDS = 15.0
_POLL_SECONDS = 0.02


class EmbeddedStack:
    """`start` and `stop` belong to one loop and may be called once each. `url` is known after `start`.

    `workers`: products trained at once, by default one a CPU. `drain_seconds`: the window over which viewers are sent away.
    `grace_seconds`: how long a product at work may go on when it stops. `warm`: a model whose libraries the children import ahead.
    `page`: the folder of the built page, which the gateway serves. `metrics_listen`: where `/metrics` of all parts is, None for nowhere.
    `service`, `worker`: fields of `levain_training.settings.Settings` and of `WorkerSettings`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        listen: Listen = HERE,
        workers: int | None = None,
        secret: str | None = None,
        sample: Path | None = None,
        drain_seconds: float = 0.0,
        grace_seconds: float = 0.0,
        warm: str | None = None,
        page: Path | None = None,
        metrics_listen: Listen | None = None,
        service: Mapping[str, Any] | None = None,
        worker: Mapping[str, Any] | None = None,
    ) -> None:
        self._issuer = issuer_of(secret or secrets.token_hex(32))
        self._listen, self._workers = listen, workers or len(os.sched_getaffinity(0))
        self._drain_seconds, self._grace_seconds, self._warm = drain_seconds, grace_seconds, warm
        self._page, self._metrics_listen = page, metrics_listen
        settings = levain_training.settings.Settings(
            database_url=f"sqlite:///{folder.resolve() / 'levain.db'}",
            issuers=(self._issuer,),
            listen=HERE,
            sample_path=sample,
            batches_out=2 * self._workers,  # one at work and one in the queue for each
        )
        self._service_settings = replace(settings, **(service or {}))
        self._worker_settings = replace(WorkerSettings(slots=self._workers), **(worker or {}))
        self._running = AsyncExitStack()
        self.url = ""
        self.metrics_url: str | None = None

    def token(self, tenant: str, role: Role = Role.TRAINER, *, hours: float = 24) -> str:
        return signed(self._issuer, tenant, role, hours=hours)

    async def start(self) -> None:
        """Ready when it returns. Raises `BadInput` when the address can't be had; what was started by then is stopped."""
        await asyncio.to_thread(_migrate, self._service_settings.database_url)
        # Stopped in the opposite order: viewers are sent away, workers report what they have, the service stores it, the broker closes.
        async with AsyncExitStack() as started:
            self.broker = MemoryBroker()
            started.push_async_callback(self.broker.close)

            registry = CollectorRegistry()
            worker_metrics = PrometheusWorkerMetrics(registry, model_names())
            worker_metrics.watches(self.broker)
            pool = ChildPool(max_children=self._workers, metrics=worker_metrics)
            started.push_async_callback(pool.close)
            self._warming = {asyncio.create_task(_warm(pool, self._warm)) for _ in range(self._workers) if self._warm}

            self.service = TrainingService(self._service_settings, self.broker, metrics=Metrics(registry))
            await self.service.store.write(lapse_all)  # a broker in memory holds nothing of what was out before
            await self.service.start()
            started.push_async_callback(self.service.stop, self._drain_seconds)
            await self.service.dispatcher.repair_lapsed()

            await started.enter_async_context(self.broker.watch_events(partial(self._warm_up, pool), lambda: None))
            self.worker = Worker(self.broker, pool, self._worker_settings, worker_metrics)
            working = asyncio.create_task(self.worker.run())
            working.add_done_callback(_tell_why)
            started.push_async_callback(self.worker.stop, self._grace_seconds)

            self.gateway = GatewayServer(self._gateway_settings(self.service.port))
            await self._open(self.gateway)
            started.push_async_callback(self.gateway.stop, self._drain_seconds)

            if self._metrics_listen is not None:
                await self._tell_metrics(started, self._metrics_listen, registry, self.gateway.metrics.registry)
            await self._until_ready()
            self._running = started.pop_all()
        # What lives until the end needs no more looking after by the garbage collector.
        gc.freeze()

    def _warm_up(self, pool: ChildPool, kind: str, body: bytes) -> None:
        """While a job's file is read, on one core, the others start what will train it."""
        event = decode(body).event if kind == EventType.STARTED else None
        if event is not None and pool.empty:
            jobs = [self._warm_for(pool, event.tenant_id, event.job_id) for _ in range(self._workers)]
            self._warming = {task for task in self._warming if not task.done()} | set(map(asyncio.create_task, jobs))

    async def _warm_for(self, pool: ChildPool, tenant_id: str, job_id: str) -> None:
        with suppress(StoreUnavailable):
            row = await self.service.store.read(find, tenant_id, job_id)
            if row is not None and row["spec"] is not None:
                await _warm(pool, JobSpec.model_validate_json(row["spec"]).model)

    async def stop(self) -> None:
        await self._running.aclose()

    async def _open(self, gateway: GatewayServer) -> None:
        try:
            await gateway.start()
        except OSError as error:
            raise cant_listen(self._listen, error) from None
        self.url = f"http://{written(reached_at(self._listen.host), gateway.port)}"

    async def _tell_metrics(self, started: AsyncExitStack, listen: Listen, *registries: CollectorRegistry) -> None:
        whole = CollectorRegistry()
        for registry in registries:
            whole.register(registry)
        try:
            port = await started.enter_async_context(monitored(listen, whole, self.broker.problem))
        except OSError as error:
            raise cant_listen(listen, error, "--metrics") from None
        self.metrics_url = f"http://{written(reached_at(listen.host), port)}/metrics"

    def _gateway_settings(self, upstream_port: int) -> levain_gateway.settings.Settings:
        return levain_gateway.settings.Settings(
            upstream=Listen(HERE.host, upstream_port),
            listen=self._listen,
            issuers=(self._issuer,),
            drain_seconds=self._drain_seconds,
            static_dir=self._page,
        )

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as session:
                while not await self._ready(session):
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise CommandFailed(f"the stack was not ready within {_READY_SECONDS:g} s") from None

    async def _ready(self, session: aiohttp.ClientSession) -> bool:
        async with session.get(f"{self.url}/readyz") as answer:
            return answer.status == 200


@asynccontextmanager
async def running(folder: Path, **options: Any) -> AsyncIterator[EmbeddedStack]:
    """A stack with its data in `folder`, for as long as it is entered. The options are those of `EmbeddedStack`."""
    stack = EmbeddedStack(folder, **options)
    await stack.start()
    try:
        yield stack
    finally:
        await stack.stop()


async def _warm(pool: ChildPool, model: str) -> None:
    try:
        if model in model_names():
            await pool.warm(model)
    except Exception as error:  # whatever it is, the job that needs the model will tell
        log.debug("no child warmed", extra={"error": str(error)})


def _tell_why(working: asyncio.Task[None]) -> None:
    if not working.cancelled() and (error := working.exception()) is not None:
        log.error("the worker has ended", exc_info=error)


def _migrate(database_url: str) -> None:
    engine = make_engine(database_url)
    migrate(engine)
    engine.dispose()
