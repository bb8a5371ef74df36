"""Store -> dispatcher -> broker: hands out batches, at most W of a job at once, and sends again what was lost."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from levain_broker.errors import BrokerError
from levain_broker.ports import PUBLISH_TIMEOUT_SECONDS, Broker, Delivery
from levain_contracts.jobs import JobState
from levain_contracts.resources import JobSpec
from levain_contracts.tasks import FailedProduct, ResultChunk, TrainingTask, UnreadableWork, decode_task, encode
from levain_contracts.topics import WorkQueue
from levain_training.forecasting.registry import TrainerNotLoadable, UnknownModel, plan_of
from levain_training.metrics import Metrics
from levain_training.store import batches, jobs
from levain_training.store.batches import ReadyTask, Taste
from levain_training.store.engine import Store, StoreUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

_REPAIRS_AT_ONCE = 100
# Hand-outs of a hundred jobs that begin together: one after the other the last would look forgotten. As many as the store writes at once.
_AT_ONCE = 4


class Dispatcher:
    """`room_for` says that a job may have room; the work itself happens in `run`, once however often it was said."""

    def __init__(
        self, broker: Broker, store: Store, metrics: Metrics, *, batches_out: int, lease_seconds: float, settled_seconds: float
    ) -> None:
        self._broker = broker
        self._store = store
        self._metrics = metrics
        self._batches_out = batches_out
        self._lease_seconds = lease_seconds
        self._settled_seconds = settled_seconds
        # A hand-out whose process dies before its batches are sent is found after so long, and not after a whole lease.
        self._sending_seconds = min(lease_seconds, settled_seconds + batches_out * PUBLISH_TIMEOUT_SECONDS)
        self._wanted: dict[tuple[str, str], None] = {}
        self._wake = asyncio.Event()
        self._room = asyncio.Semaphore(_AT_ONCE)

    def room_for(self, tenant_id: str, job_id: str) -> None:
        self._wanted[tenant_id, job_id] = None
        self._wake.set()

    async def run(self) -> None:
        """For ever. A job whose hand-out fails is found again by `repair_waiting`."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            wanted, self._wanted = self._wanted, {}
            await asyncio.gather(*(self._handed_out(*key) for key in wanted))

    async def _handed_out(self, tenant_id: str, job_id: str) -> None:
        try:
            async with self._room:
                await self.hand_out(tenant_id, job_id)
        except (StoreUnavailable, BrokerError) as error:
            log.warning("hand-out failed", extra={"job_id": job_id, "error": str(error)})

    async def hand_out(self, tenant_id: str, job_id: str) -> int:
        """Returns the number of batches that went out."""
        row = await self._store.read(jobs.find, tenant_id, job_id)
        if row is None or row["state"] != JobState.TRAINING:
            return 0
        try:
            plan = plan_of(JobSpec.model_validate_json(row["spec"]).model)
        except (UnknownModel, TrainerNotLoadable) as error:
            log.warning("no batches of a job whose model is not installed here", extra={"job_id": job_id, "error": str(error)})
            return 0
        taste = Taste(plan.batch_by == "shop", plan.products_per_batch)
        return await _to_its_end(self._take_and_send(tenant_id, job_id, taste))

    async def _take_and_send(self, tenant_id: str, job_id: str, taste: Taste) -> int:
        tasks = await self._store.write(batches.take, tenant_id, job_id, taste, self._batches_out, time.time(), self._sending_seconds)
        await self._send(tasks)
        return len(tasks)

    async def _send(self, tasks: list[ReadyTask]) -> None:
        """Their leases run from here on. What the broker does not take lapses at once, so that the next repair sends it again."""
        sent = 0
        try:
            for task in tasks:
                await self._broker.send(WorkQueue.TASKS, task.body)
                sent += 1
                self._metrics.task_sent()
        finally:
            if tasks:
                await self._store.write(batches.hold, tasks[:sent], tasks[sent:], time.time() + self._lease_seconds)

    async def repair_waiting(self) -> None:
        """Jobs that have room and products that wait, though nobody said so."""
        before = time.time() - self._settled_seconds
        for row in await self._store.read(batches.waiting_jobs, self._batches_out, before, _REPAIRS_AT_ONCE):
            if await self.hand_out(row["tenant_id"], row["job_id"]):
                self._metrics.repaired("waiting_products")

    async def repair_lapsed(self) -> None:
        for key in await self._store.read(batches.lapsed, time.time(), _REPAIRS_AT_ONCE):
            if await _to_its_end(self._send_again(*key)):
                self._metrics.repaired("lapsed_batch")

    async def _send_again(self, tenant_id: str, job_id: str, batch: int) -> bool:
        task = await self._store.write(batches.take_again, tenant_id, job_id, batch, time.time(), self._sending_seconds)
        if task is None:
            return False
        await self._send([task])
        return True

    async def on_dead_letter(self, delivery: Delivery) -> None:
        """A batch that killed its workers: each open product goes out alone, once; one that was alone has failed.

        A worker may send the rest of a batch on as `alone` without knowing which of its products is the guilty one.
        """
        self._metrics.task_dead_lettered()
        try:
            task = decode_task(delivery.body)
        except UnreadableWork as error:
            log.warning("dead letter dropped", extra={"error": str(error)})
        else:
            if task.alone and len(task.series) == 1:
                await self._broker.send(WorkQueue.RESULTS, encode(_lost(task)))
            else:
                await self._store.write(batches.isolate, task)
                self.room_for(task.tenant_id, task.job_id)
            self._metrics.repaired("dead_letter")
        await delivery.ack()


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """A cancelled caller waits for it: a batch that the store has as out was sent, or has lapsed."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _lost(task: TrainingTask) -> ResultChunk:
    message = "the worker died each time that it trained this product"
    failed = [FailedProduct(product_id=s.product_id, reason="worker_lost", message=message) for s in task.series]
    return ResultChunk(tenant_id=task.tenant_id, job_id=task.job_id, batch=task.batch, results=list(failed))
