"""Store -> dispatcher -> broker: hands out batches, at most W of a job at once, and sends again what was lost."""

import asyncio
import logging
import time

from levain_broker.errors import BrokerError
from levain_broker.ports import Broker, Delivery
from levain_contracts import tasks
from levain_contracts.resources import JobSpec
from levain_contracts.tasks import FailedProduct, ResultChunk, TrainingTask, UnreadableWork
from levain_contracts.topics import WorkQueue
from levain_training.forecasting.registry import plan_of
from levain_training.metrics import Metrics
from levain_training.store import batches, jobs
from levain_training.store.batches import Taste
from levain_training.store.engine import Store, StoreUnavailable

log = logging.getLogger(__name__)

_REPAIRS_AT_ONCE = 100
# What a job did more recently may still be on its way: it is not lost yet.
SETTLED_SECONDS = 5.0


class Dispatcher:
    """`room_for` says that a job may have room; the work itself happens in `run`, once however often it was said."""

    def __init__(self, broker: Broker, store: Store, metrics: Metrics, *, batches_out: int, lease_seconds: float) -> None:
        self._broker = broker
        self._store = store
        self._metrics = metrics
        self._batches_out = batches_out
        self._lease_seconds = lease_seconds
        self._wanted: dict[tuple[str, str], None] = {}
        self._wake = asyncio.Event()

    def room_for(self, tenant_id: str, job_id: str) -> None:
        self._wanted[tenant_id, job_id] = None
        self._wake.set()

    async def run(self) -> None:
        """For ever. A job whose hand-out fails is found again by `repair_waiting`."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            wanted, self._wanted = self._wanted, {}
            for tenant_id, job_id in wanted:
                try:
                    await self.hand_out(tenant_id, job_id)
                except (StoreUnavailable, BrokerError) as error:
                    log.warning("hand-out failed", extra={"job_id": job_id, "error": str(error)})

    async def hand_out(self, tenant_id: str, job_id: str) -> int:
        row = await self._store.read(jobs.find, tenant_id, job_id)
        if row is None or row["spec"] is None:
            return 0
        plan = plan_of(JobSpec.model_validate_json(row["spec"]).model)
        taste = Taste(plan.batch_by == "shop", plan.products_per_batch)
        taken = await self._store.write(batches.take, tenant_id, job_id, taste, self._batches_out, time.time(), self._lease_seconds)
        for task in taken:
            await self._send(task)
        return len(taken)

    async def _send(self, task: TrainingTask) -> None:
        """A task that the broker does not take keeps its lease, and goes out again when that lapses."""
        await self._broker.send(WorkQueue.TASKS, await asyncio.to_thread(tasks.encode, task))
        self._metrics.task_sent()

    async def repair_waiting(self) -> None:
        """Jobs that have room and products that wait, though nobody said so."""
        for row in await self._store.read(batches.waiting_jobs, self._batches_out, time.time() - SETTLED_SECONDS, _REPAIRS_AT_ONCE):
            if await self.hand_out(row["tenant_id"], row["job_id"]):
                self._metrics.repaired("waiting_products")

    async def repair_lapsed(self) -> None:
        for tenant_id, job_id, batch in await self._store.read(batches.lapsed, time.time(), _REPAIRS_AT_ONCE):
            task = await self._store.write(batches.take_again, tenant_id, job_id, batch, time.time(), self._lease_seconds)
            if task is not None:
                self._metrics.repaired("lapsed_batch")
                await self._send(task)

    async def on_dead_letter(self, delivery: Delivery) -> None:
        """A batch that killed its workers: each open product goes out alone, once; one that was alone has failed."""
        try:
            task = tasks.decode_task(delivery.body)
        except UnreadableWork as error:
            log.warning("dead letter dropped", extra={"error": str(error)})
            await delivery.ack()
            return
        self._metrics.repaired("dead_letter")
        if task.alone:
            await self._broker.send(WorkQueue.RESULTS, tasks.encode(_lost(task)))
        else:
            for alone in await self._store.write(batches.take_alone, task, time.time(), self._lease_seconds):
                await self._send(alone)
        await delivery.ack()


def _lost(task: TrainingTask) -> ResultChunk:
    message = "the worker died each time that it trained this product"
    failed = [FailedProduct(product_id=s.product_id, reason="worker_lost", message=message) for s in task.series]
    return ResultChunk(tenant_id=task.tenant_id, job_id=task.job_id, batch=task.batch, results=list(failed))
