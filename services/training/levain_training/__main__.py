"""The command `levain-training`: roles `serve`, `worker` and `migrate`; the only reader of the environment in this deployable."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvloop

from levain_asgi.process import raise_file_limit, until_asked_to_stop
from levain_broker.memory import MemoryBroker
from levain_broker.ports import Broker
from levain_logs import configure
from levain_settings import EXIT_CODE, SettingsError, load
from levain_training.settings import IN_MEMORY, WORKER_SETTINGS, Settings, from_environment
from levain_training.store.engine import make_engine, migrate

if TYPE_CHECKING:
    from levain_training.service import TrainingService

log = logging.getLogger(__name__)


def main() -> int:
    role = sys.argv[1] if len(sys.argv) == 2 else ""
    if role not in ROLES:
        sys.stderr.write(f"usage: levain-training {'|'.join(ROLES)}\n")
        return 2
    try:
        if role == "worker" and load(WORKER_SETTINGS, os.environ)["LEVAIN_BROKER_URL"] == IN_MEMORY:
            raise SettingsError(f"LEVAIN_BROKER_URL: a worker needs a broker that other processes reach, and {IN_MEMORY} is none")
        settings = from_environment(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"levain-training: {error}\n")
        return EXIT_CODE
    configure(settings.log_level)
    raise_file_limit()
    return ROLES[role](settings)


def _migrate(settings: Settings) -> int:
    engine = make_engine(settings.database_url)
    migrate(engine)
    engine.dispose()
    return 0


def _serve(settings: Settings) -> int:
    return _migrate(settings) or uvloop.run(_served(settings))


async def _served(settings: Settings) -> int:
    """With the broker in memory the workers are here too: nobody else could reach the tasks."""
    from levain_training.service import TrainingService
    from levain_training.store.batches import lapse_all

    asked = asyncio.create_task(until_asked_to_stop())
    broker = MemoryBroker()
    service = TrainingService(settings, broker)
    await service.store.write(lapse_all)
    try:
        await service.start()
    except OSError as error:
        sys.stderr.write(
            f"levain-training: can't listen on {settings.listen.host}:{settings.listen.port} or for metrics: {error.strerror}\n"
        )
        return EXIT_CODE
    await service.dispatcher.repair_lapsed()
    gc.freeze()
    log.info("serving", extra={"port": service.port})
    await _work(broker, settings, asked, service)
    await broker.close()
    return 0


async def _work(broker: Broker, settings: Settings, asked: asyncio.Task[None], service: "TrainingService") -> None:
    """Works until it is asked to stop, reports what is finished, then lets the service store it and stop."""
    from levain_training.children import ChildPool
    from levain_training.worker import Worker, WorkerSettings

    pool = ChildPool(max_children=settings.worker_slots, memory_limit_bytes=settings.child_memory_bytes, metrics=service.metrics)
    limits = WorkerSettings(slots=settings.worker_slots, product_seconds=settings.product_seconds)
    worker = Worker(broker, pool, limits, service.metrics)
    working = asyncio.create_task(worker.run())
    await asked
    log.info("stopping")
    await worker.stop()
    await working
    await service.stop()
    await pool.close()


ROLES: dict[str, Callable[[Settings], int]] = {"serve": _serve, "worker": _serve, "migrate": _migrate}


if __name__ == "__main__":
    sys.exit(main())
