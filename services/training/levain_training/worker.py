"""Broker -> worker -> broker: takes one batch after another, has it trained in child processes and sends what came of each product."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from levain_broker.errors import BrokerError
from levain_broker.ports import Broker, Delivery
from levain_contracts.task_text import Outline, outline
from levain_contracts.tasks import ProductResult, UnreadableWork
from levain_contracts.topics import WorkQueue
from levain_logs import bound
from levain_training.batch import Batch
from levain_training.children import ChildPool, PoolClosed
from levain_training.outbox import Outbox, send
from levain_training.stopping import Stop
from levain_training.worker_metrics import NullWorkerMetrics, WorkerMetrics

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
# Of the grace, what is kept for sending the last results and the rest of the batch.
_REPORT_SHARE = 0.25


@dataclass(frozen=True)
class WorkerSettings:
    """The memory limit is the pool's.

    - `slots`: batches at once, each in a child of its own. As many as cores.
    - `product_seconds`: the longest that one product may take, None for no limit. 300 s is a thousand times the slowest trainer
      that is shipped, imports included; after it the product is tried once more, alone.
    - `task_seconds`: after so long the rest of a batch goes out as a new one, None never. With twice the time of a product it
      stays below the 30 minutes after which RabbitMQ takes a task from its consumer.
    - `chunk_results`, `chunk_seconds`: results that end within this time travel together, at most so many.
    - `grace_seconds`: how long a stop may take. Below the 10 s in which the whole process ends.
    """

    slots: int = 2
    product_seconds: float | None = 300.0
    task_seconds: float | None = 600.0
    chunk_results: int = 64
    chunk_seconds: float = 0.1
    grace_seconds: float = 8.0


class Worker:
    """`run` works until `stop`. It holds nothing that another worker could not do as well."""

    def __init__(
        self, broker: Broker, pool: ChildPool, settings: WorkerSettings | None = None, metrics: WorkerMetrics | None = None
    ) -> None:
        self._broker = broker
        self._pool = pool
        self._settings = settings or WorkerSettings()
        self._metrics = metrics or NullWorkerMetrics()
        self._stop = Stop()
        self._slots: dict[asyncio.Task[None], _Slot] = {}

    async def run(self) -> None:
        """Cancelling it drops what is at work: the broker gives it to another worker, and counts that as a delivery."""
        self._metrics.slots_opened(self._settings.slots)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.slots):
                slot = _Slot(self._broker, self._pool, self._settings, self._metrics, self._stop)
                self._slots[group.create_task(slot.run())] = slot

    async def stop(self, grace_seconds: float | None = None) -> None:
        """Finishes the products at work, sends their results, sends the rest of each batch as a new task, then acknowledges.

        Returns within `grace_seconds` (default: the setting) and about a second; `run` has ended then.
        """
        grace_seconds = self._settings.grace_seconds if grace_seconds is None else grace_seconds
        self._stop.ask(grace_seconds)
        self._metrics.slots_opened(0)
        for slot in self._slots.values():
            slot.hurry(grace_seconds * (1 - _REPORT_SHARE))
        slots = [slot for slot in self._slots if not slot.done()]
        if slots:
            _, late = await asyncio.wait(slots, timeout=grace_seconds + 0.5)
            for slot_task in late:
                slot_task.cancel()
            await asyncio.wait(slots)


class _Slot:
    """One consumer and one batch at a time.

    The consumer's callback only hands over: a lost connection cancels callbacks, and the batch goes on. Its delivery comes again
    then, here or elsewhere; a second result of a product changes nothing.
    """

    def __init__(self, broker: Broker, pool: ChildPool, settings: WorkerSettings, metrics: WorkerMetrics, stop: Stop) -> None:
        self._broker = broker
        self._pool = pool
        self._settings = settings
        self._metrics = metrics
        self._stop = stop
        self._delivery: Delivery | None = None
        self._news = asyncio.Event()
        self._limit: asyncio.Timeout | None = None
        self._finished: bytes = b""

    async def run(self) -> None:
        while not self._stop.asked:
            try:
                async with self._broker.consume(WorkQueue.TASKS, self._hand_over, prefetch=1):
                    while (delivery := await self._next()) is not None:
                        await self._settle(delivery)
            except BrokerError as error:
                log.warning("no tasks, trying again", extra={"error": str(error)})
                await self._stop.pause(_RETRY_SECONDS)

    def hurry(self, seconds: float) -> None:
        """Wakes an idle slot; a busy one has so long for its product at work."""
        self._news.set()
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    async def _hand_over(self, delivery: Delivery) -> None:
        """Newest wins: with prefetch 1 a second delivery means that the session of the first is lost."""
        self._delivery = delivery
        self._news.set()

    async def _next(self) -> Delivery | None:
        """None when the worker stops and nothing was handed over."""
        while self._delivery is None and not self._stop.asked:
            self._news.clear()
            await self._news.wait()
        delivery, self._delivery = self._delivery, None
        return delivery

    async def _settle(self, delivery: Delivery) -> None:
        """Acknowledges when every product of it has its result or is in a new task."""
        if delivery.redelivered:
            self._metrics.task_redelivered()
        digest = hashlib.sha256(delivery.body).digest()
        try:
            if not (delivery.redelivered and digest == self._finished):
                await self._take(delivery.body)
        except PoolClosed:
            raise
        except Exception as error:
            log.warning("task given back", exc_info=not isinstance(error, BrokerError), extra={"error": str(error)})
            await self._stop.pause(_RETRY_SECONDS)
            await delivery.give_back()
            self._metrics.task_given_back()
            return
        self._finished = digest
        await delivery.ack(last=self._stop.asked)

    async def _take(self, body: bytes) -> None:
        try:
            task = outline(body)
            with bound(tenant_id=task.tenant_id, job_id=task.job_id, request_id=task.request_id):
                await self._train_and_hand_on(body, task)
        except UnreadableWork as error:
            self._metrics.task_unreadable()
            log.warning("task dropped", extra={"error": str(error)})

    async def _train_and_hand_on(self, body: bytes, task: Outline) -> None:
        began = time.monotonic()
        self._metrics.task_taken()
        try:
            rest = await self._train(body, task)
            if rest is not None:
                await send(self._broker, WorkQueue.TASKS, rest, self._stop)
        finally:
            self._metrics.task_over()
        left = 0 if rest is None else len(outline(rest).series)
        counts = {"batch": task.batch, "products": len(task.series) - left, "handed_on": left}
        log.info("batch trained", extra=counts | {"seconds": round(time.monotonic() - began, 3)})

    async def _train(self, body: bytes, task: Outline) -> bytes | None:
        """Returns a task of what has no result yet, after the broker has all other results."""
        settings = self._settings
        outbox = Outbox(self._broker, task, self._stop, chunk_results=settings.chunk_results, chunk_seconds=settings.chunk_seconds)

        async def deliver(result: ProductResult, text: bytes) -> None:
            await outbox.put(text)
            self._count(task, result)

        batch = Batch(body, task, self._pool, deliver, self._enough_after(settings.task_seconds), settings.product_seconds)
        try:
            await self._run_within_limit(batch)
            await outbox.drain()
        finally:
            outbox.cancel()
        return await asyncio.to_thread(batch.rest)

    async def _run_within_limit(self, batch: Batch) -> None:
        try:
            async with asyncio.timeout(None) as self._limit:
                await batch.run()
        except TimeoutError:
            if self._limit is None or not self._limit.expired():
                raise
        finally:
            self._limit = None

    def _enough_after(self, seconds: float | None) -> Callable[[], bool]:
        clock = asyncio.get_running_loop().time
        started = clock()
        return lambda: self._stop.asked or (seconds is not None and clock() - started > seconds)

    def _count(self, task: Outline, result: ProductResult) -> None:
        outcome = "trained" if result.kind == "trained" else result.reason
        trainer = "unknown" if outcome == "unknown_model" else task.model
        self._metrics.product_ended(trainer, outcome, result.train_seconds)
