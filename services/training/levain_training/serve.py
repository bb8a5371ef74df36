"""A replica as a process: it waits for its database, serves until it is asked to stop, and trains too where the broker is in memory."""

import asyncio
import gc
import logging

from levain_asgi.process import until_asked_to_stop
from levain_training.brokers import broker_of
from levain_training.forecasting.registry import model_names
from levain_training.service import TrainingService
from levain_training.settings import Settings
from levain_training.store.batches import lapse_all
from levain_training.store.engine import upgrade, when_back
from levain_training.work import work_until
from levain_training.worker_metrics import PrometheusWorkerMetrics
from levain_training.worker_settings import WorkerProcess

log = logging.getLogger(__name__)


async def serve(settings: Settings, worker: WorkerProcess) -> None:
    """Until SIGTERM or SIGINT. Raises OSError where a port can't be had."""
    asked = asyncio.create_task(until_asked_to_stop())
    broker = broker_of(settings, name="training")
    service = TrainingService(settings, broker)
    if await _migrated(service, asked):
        if settings.broker_url is None:
            await service.store.write(lapse_all)  # the broker's queues were in the process before
        await service.start()
        gc.freeze()
        log.info("serving", extra={"port": service.port})
        if settings.broker_url is None:
            await service.dispatcher.repair_lapsed()
            metrics = PrometheusWorkerMetrics(service.metrics.registry, model_names())
            metrics.watches(broker)
            await work_until(asked, broker, worker, metrics)
        else:
            await asked
            log.info("stopping")
        await service.stop()
    await broker.close()


async def _migrated(service: TrainingService, asked: asyncio.Task[None]) -> bool:
    """False where it was asked to stop before the database was there."""
    migrating = asyncio.create_task(when_back(lambda: service.store.write(upgrade)))
    await asyncio.wait({migrating, asked}, return_when=asyncio.FIRST_COMPLETED)
    if not migrating.done():
        migrating.cancel()
        return False
    await migrating
    return True
