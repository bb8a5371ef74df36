"""The composition root of a training-service replica: what it is made of, how it starts and how it stops."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server

from levain_asgi.server import AsgiServer
from levain_broker.ports import Broker
from levain_contracts.frames import MAX_CLIENT_MESSAGE_BYTES
from levain_contracts.topics import WorkQueue
from levain_jwks.verifier import TokenVerifier
from levain_training.analysis import Analyst
from levain_training.app import create_app
from levain_training.authentication import Authenticator
from levain_training.children import ChildPool
from levain_training.connections import ConnectionManager
from levain_training.consumer import EventConsumer
from levain_training.dataset_reader import DatasetReader
from levain_training.dispatcher import Dispatcher
from levain_training.jobs import Jobs
from levain_training.live import LiveEndpoint
from levain_training.metrics import Metrics
from levain_training.previews import Previews
from levain_training.publisher import EventPublisher
from levain_training.readiness import Readiness
from levain_training.reconcile import Reconciler
from levain_training.samples import Samples
from levain_training.sampling import Sampler
from levain_training.services import Services
from levain_training.settings import Settings
from levain_training.store.engine import Store, make_engine
from levain_training.tracker import ParallelProductProgressTracker
from levain_training.wire import LiveSocketProtocol

log = logging.getLogger(__name__)

_REQUESTS_SECONDS = 3
_RESTART_SECONDS = 1.0


class TrainingService:
    """`start` and `stop` belong to the loop that it is used in. The schema must be there (`store.engine.migrate`)."""

    def __init__(self, settings: Settings, broker: Broker, *, metrics: Metrics | None = None) -> None:
        self.settings = settings
        self.metrics = metrics or Metrics()
        self.metrics.watches(broker)
        self.store = Store(make_engine(settings.database_url), self.metrics)
        self._pool = ChildPool(max_children=settings.analysts, memory_limit_bytes=settings.child_memory_bytes, niceness=0)
        self.connections = ConnectionManager(
            self.store,
            self.metrics,
            budget_bytes=settings.viewer_budget_bytes,
            slow_seconds=settings.slow_viewer_seconds,
            max_viewers_per_tenant=settings.max_viewers_per_tenant,
        )
        self.publisher = EventPublisher(broker, self.store, self.metrics)
        lease, settled = settings.batch_lease_seconds, settings.settled_seconds
        self.dispatcher = Dispatcher(
            broker, self.store, self.metrics, batches_out=settings.batches_out, lease_seconds=lease, settled_seconds=settled
        )
        self._reader = DatasetReader(self.store, self._pool, settings)
        analysis_lease = settings.analysis_lease_seconds
        analyst = partial(Analyst, self.store, self._reader, self.publisher, self.dispatcher, self.metrics, analysis_lease)
        self.analysts = [analyst() for _ in range(settings.analysts)]
        self.tracker = ParallelProductProgressTracker(broker, self.store, self.publisher, self.dispatcher, self.metrics, lease)
        self.consumer = EventConsumer(broker, self.connections, self.metrics)
        self.reconciler = Reconciler(
            self.store, self.publisher, self.dispatcher, self.metrics, every_seconds=settings.reconcile_seconds, settled_seconds=settled
        )
        self._sampler = Sampler(broker, self.store, self.metrics)
        self.readiness = Readiness(self.store, broker, self.connections)
        self._broker = broker
        self._verifier = TokenVerifier(settings.issuers, tenant_claim=settings.tenant_claim)
        self._server = self._make_server()
        self._background: list[asyncio.Task[None]] = []
        self._consuming = contextlib.AsyncExitStack()
        self._metrics_server: WSGIServer | None = None

    def _make_server(self) -> AsgiServer:
        settings = self.settings
        authenticator = Authenticator(self._verifier)
        samples = Samples(self.store, settings.sample_path)
        jobs = Jobs(self.store, self.publisher, self.wake_analysts, self.dispatcher, self.connections, samples, settings)
        services = Services(self.store, jobs, samples, Previews(self._reader), authenticator, settings, self.readiness)
        live = LiveEndpoint(self.store, self.connections, authenticator, self.metrics, settings.drain_seconds)
        return AsgiServer(
            create_app(services, live),
            *settings.listen,
            ws=LiveSocketProtocol,
            ws_max_size=MAX_CLIENT_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=settings.ping_seconds,
            ws_ping_timeout=settings.ping_seconds,
            timeout_graceful_shutdown=_REQUESTS_SECONDS,
        )

    @property
    def port(self) -> int:
        return self._server.port

    def wake_analysts(self) -> None:
        for analyst in self.analysts:
            analyst.wake()

    async def start(self) -> None:
        """Raises OSError where a port can't be had. It is ready when this returns and store and broker answer."""
        await self._consuming.enter_async_context(self.consumer.consuming())
        await self._consuming.enter_async_context(self.tracker.consuming())
        dead = self._broker.consume(WorkQueue.DEAD_TASKS, self.dispatcher.on_dead_letter, prefetch=1)
        await self._consuming.enter_async_context(dead)
        for work in (
            self.dispatcher.run,
            self.reconciler.run,
            self.publisher.keep_marks,
            self.connections.sweep,
            self.connections.keep_resending,
            self._level_viewers,
            self._sampler.run,
            self._verifier.run,
            *(analyst.run for analyst in self.analysts),
        ):
            self._background.append(asyncio.create_task(_keep(work)))
        if self.settings.metrics_listen is not None:
            host, port = self.settings.metrics_listen
            server, _ = start_http_server(port, host, self.metrics.registry)
            self._metrics_server = server
        await self._server.start()
        self.readiness.started = True

    async def _level_viewers(self) -> None:
        await self.connections.keep_level(self.settings.level_seconds)

    async def stop(self, drain_seconds: float | None = None) -> None:
        """Not ready; viewers sent away over the window; results at work written; everything ended and marks kept."""
        window = self.settings.drain_seconds if drain_seconds is None else drain_seconds
        await self.connections.drain(window)
        await self._consuming.aclose()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._server.stop()
        await self._pool.close()
        await self._verifier.close()
        await self.publisher.write_marks()
        if self._metrics_server is not None:
            await asyncio.to_thread(self._metrics_server.shutdown)
            self._metrics_server.server_close()
        self.store.close()


async def _keep(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs it for ever: what fails is logged and begun again after a second, so that one bad row does not stop a loop."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("background work failed", extra={"work": work.__qualname__})
        await asyncio.sleep(_RESTART_SECONDS)
