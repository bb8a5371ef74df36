"""What the worker's tests share: real child processes, the in-memory broker, and a store of results that takes each product once."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date

import psutil

from levain_broker.errors import BrokerUnavailable
from levain_broker.memory import MemoryBroker
from levain_broker.ports import Delivery
from levain_contracts.tasks import FailedProduct, ResultChunk, Series, TrainedProduct, TrainingTask, decode_results, encode
from levain_contracts.topics import WorkQueue
from levain_training.children import ChildPool
from levain_training.forecasting.testing import ALL_TRAINERS
from levain_training.worker import Worker, WorkerSettings

MIB = 1024 * 1024
WAIT_SECONDS = 30.0
ENVIRONMENT = {**os.environ, "LEVAIN_EXTRA_TRAINERS": ALL_TRAINERS}

Result = TrainedProduct | FailedProduct


def task(model: str, products: Sequence[str], *, batch: int = 1, alone: bool = False) -> TrainingTask:
    """The products' names are their ids too."""
    series = [Series(product_id=_id(name), product=name, start=date(2024, 1, 1), values=[1.0, 3.0]) for name in products]
    return TrainingTask(
        tenant_id="north",
        job_id="job",
        batch=batch,
        alone=alone,
        model=model,
        horizon_days=2,
        dataset_sha256="0" * 64,
        forecast_start=date(2024, 1, 3),
        series=series,
    )


def _id(name: str) -> str:
    return name.replace(" ", "-").replace(".", "-")


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(55):
            await scenario()

    asyncio.run(main())


async def until(condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def pool_of(
    max_children: int = 2, *, memory_limit_bytes: int | None = None, max_calls: int = 100, idle_seconds: float | None = 10
) -> AsyncIterator[ChildPool]:
    pool = ChildPool(
        max_children=max_children,
        max_calls_per_child=max_calls,
        idle_seconds=idle_seconds,
        memory_limit_bytes=memory_limit_bytes,
        environment=ENVIRONMENT,
    )
    try:
        yield pool
    finally:
        await pool.close()


def children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if _is_child_at_work(p)]


def _is_child_at_work(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "levain_training.child" in process.cmdline()
    except psutil.NoSuchProcess:  # it ended since it was listed
        return False


@dataclass
class Desk:
    """Takes results off their queue, as the training service does."""

    chunks: list[ResultChunk] = field(default_factory=list)

    async def take(self, delivery: Delivery) -> None:
        self.chunks.append(decode_results(delivery.body))
        await delivery.ack()

    @property
    def results(self) -> list[Result]:
        return [r for chunk in self.chunks for r in chunk.results]

    @property
    def ends(self) -> dict[str, str]:
        """Product id -> `trained` or the reason of its failure."""
        return {r.product_id: "trained" if isinstance(r, TrainedProduct) else r.reason for r in self.results}

    def has(self, least: int) -> bool:
        return len(self.results) >= least

    def failure(self, product_id: str) -> FailedProduct:
        (found,) = [r for r in self.results if r.product_id == product_id]
        assert isinstance(found, FailedProduct)
        return found


class FlakyBroker(MemoryBroker):
    """Refuses what is sent to `refusing` as a broker does that is away."""

    refusing: frozenset[WorkQueue] = frozenset()
    refused = 0

    async def send(self, queue: WorkQueue, body: bytes) -> None:
        if queue in self.refusing:
            self.refused += 1
            raise BrokerUnavailable("no confirm in time")
        await super().send(queue, body)


@asynccontextmanager
async def working(broker: MemoryBroker, pool: ChildPool, settings: WorkerSettings | None = None) -> AsyncIterator[Worker]:
    """A worker that runs, and is stopped politely at the end."""
    worker = Worker(broker, pool, settings or WorkerSettings(slots=1))
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.stop(2)
        await running


async def train(
    model: str,
    products: Sequence[str],
    *,
    settings: WorkerSettings | None = None,
    memory_limit_bytes: int | None = None,
    alone: bool = False,
) -> Desk:
    """One batch through a worker, until each product has a result and the task is settled."""
    desk, broker = Desk(), MemoryBroker()
    results = broker.consume(WorkQueue.RESULTS, desk.take, prefetch=10)
    async with pool_of(1, memory_limit_bytes=memory_limit_bytes) as pool, results, working(broker, pool, settings):
        await broker.send(WorkQueue.TASKS, encode(task(model, products, alone=alone)))
        await until(lambda: len(desk.ends) == len(products))
    assert await broker.depth(WorkQueue.TASKS) == 0
    assert len(desk.results) == len(products), "each product has exactly one result"
    return desk
