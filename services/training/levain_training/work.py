"""The composition root of a worker process: a broker, children, and the loop between them."""

import asyncio
import gc
import logging

from prometheus_client import CollectorRegistry

from levain_asgi.monitoring import monitored
from levain_asgi.process import until_asked_to_stop
from levain_broker.ports import Broker
from levain_training.brokers import broker_of
from levain_training.children import ChildPool
from levain_training.forecasting.registry import model_names
from levain_training.worker import Worker
from levain_training.worker_metrics import PrometheusWorkerMetrics, WorkerMetrics
from levain_training.worker_settings import WorkerProcess

log = logging.getLogger(__name__)


async def work(settings: WorkerProcess) -> None:
    """Until SIGTERM or SIGINT. Raises OSError where the port of its metrics can't be had."""
    asked = asyncio.create_task(until_asked_to_stop())
    registry = CollectorRegistry()
    broker = broker_of(settings, name="worker")
    metrics = PrometheusWorkerMetrics(registry, model_names())
    metrics.watches(broker)
    async with monitored(settings.metrics_listen, registry, broker.problem):
        gc.freeze()
        log.info("working", extra={"slots": settings.worker.slots})
        await work_until(asked, broker, settings, metrics)
    await broker.close()


async def work_until(asked: asyncio.Task[None], broker: Broker, settings: WorkerProcess, metrics: WorkerMetrics) -> None:
    """Reports what is finished, and hands the rest on, before it returns."""
    pool = ChildPool(max_children=settings.worker.slots, memory_limit_bytes=settings.child_memory_bytes, metrics=metrics)
    worker = Worker(broker, pool, settings.worker, metrics)
    working = asyncio.create_task(worker.run())
    await asyncio.wait({asked, working}, return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    await worker.stop()
    await working
    await pool.close()
