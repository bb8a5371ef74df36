"""The real service with one job that waits, in this process: broker, consumer, hub, sockets."""

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from bench.sockets import Target
from levain_broker.memory import MemoryBroker
from levain_contracts.claims import TrustedIssuer, sign
from levain_contracts.events import Event, ProductData
from levain_contracts.ids import product_id
from levain_contracts.resources import DatasetRef, JobSpec
from levain_training.metrics import Metrics
from levain_training.service import TrainingService
from levain_training.settings import Settings
from levain_training.store import jobs
from levain_training.store.engine import make_engine, migrate


class Live(NamedTuple):
    target: Target
    service: TrainingService
    broker: MemoryBroker


def event(seq: int) -> Event:
    data = ProductData(
        product_id=product_id(None, f"Baguette {seq}"),
        product=f"Baguette {seq}",
        status="trained",
        products_completed=seq,
        products_failed=0,
        total_products=1000,
    )
    return Event("bench", "bench", seq + 1, datetime.now(UTC), 20, data)


@asynccontextmanager
async def live_service(metrics: Metrics | None = None) -> AsyncIterator[Live]:
    issuer = TrustedIssuer(issuer="bench", secret=SecretStr("a secret that is only for this benchmark"))
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'levain.db'}"
        engine = make_engine(url)
        migrate(engine)
        engine.dispose()
        broker = MemoryBroker()
        service = TrainingService(Settings(url, (issuer,), level_seconds=3600), broker, metrics=metrics)
        await service.start()
        spec = JobSpec(dataset=DatasetRef(name="none"))
        # Suspended, so that no analyst takes it.
        await service.store.write(jobs.create, "bench", "bench", spec, {"suspended": True}, time.time())
        path = "/api/v1/tenants/bench/training/jobs/bench/live"
        target = Target(service.port, path, sign(issuer, tenant_id="bench", subject="bench"), '"snapshot"')
        yield Live(target, service, broker)
        await service.stop(0)
        await broker.close()
