"""Store -> dispatcher -> broker: hands out batches, at most W of a job at once, and sends again what was lost."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

from levain_broker.errors import BrokerError
from levain_broker.ports import Broker, Delivery
from levain_contracts.jobs import JobState
from levain_contracts.resources import JobSpec
from levain_contracts.tasks import FailedProduct, ResultChunk, TrainingTask, UnreadableWork, decode_task, encode
from levain_contracts.topics import WorkQueue
from levain_training.forecasting.registry import TrainerNotLoadable, UnknownModel, plan_of
from levain_training.metrics import Metrics
from levain_training.store import batches, jobs
from levain_training.store.batches import Taste
from levain_training.store.engine import Store, StoreUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

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
        tasks = await self._store.write(batches.take, tenant_id, job_id, taste, self._batches_out, time.time(), self._lease_seconds)
        await self._send(tasks)
        return len(tasks)

    async def _send(self, tasks: list[TrainingTask]) -> None:
        """What the broker does not take lapses at once, so that the next repair sends it again."""
        unsent = deque(tasks)
        try:
            while unsent:
                await self._broker.send(WorkQueue.TASKS, await asyncio.to_thread(encode, unsent[0]))
                unsent.popleft()
                self._metrics.task_sent()
        except BrokerError:
            await self._store.write(batches.lapse, unsent)
            raise

    async def repair_waiting(self) -> None:
        """Jobs that have room and products that wait, though nobody said so."""
        for row in await self._store.read(batches.waiting_jobs, self._batches_out, time.time() - SETTLED_SECONDS, _REPAIRS_AT_ONCE):
            if await self.hand_out(row["tenant_id"], row["job_id"]):
                self._metrics.repaired("waiting_products")

    async def repair_lapsed(self) -> None:
        for key in await self._store.read(batches.lapsed, time.time(), _REPAIRS_AT_ONCE):
            if await _to_its_end(self._send_again(*key)):
                self._metrics.repaired("lapsed_batch")

    async def _send_again(self, tenant_id: str, job_id: str, batch: int) -> bool:
        task = await self._store.write(batches.take_again, tenant_id, job_id, batch, time.time(), self._lease_seconds)
        if task is None:
            return False
        await self._send([task])
        return True

    async def on_dead_letter(self, delivery: Delivery) -> None:
        """A batch that killed its workers: each open product goes out alone, once; one that was alone has failed."""
        try:
            task = decode_task(delivery.body)
        except UnreadableWork as error:
            log.warning("dead letter dropped", extra={"error": str(error)})
        else:
            if task.alone:
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
