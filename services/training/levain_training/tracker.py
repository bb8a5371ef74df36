"""Results -> tracker -> publisher: turns workers' results into progress. State is a function of the set of results."""

import asyncio
import logging
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from levain_broker.ports import Broker, Delivery
from levain_contracts.tasks import FailedProduct, ResultChunk, TrainedProduct, UnreadableWork, decode_results
from levain_contracts.topics import WorkQueue
from levain_logs import bound
from levain_training.dispatcher import Dispatcher
from levain_training.metrics import Metrics
from levain_training.publisher import EventPublisher
from levain_training.store import results
from levain_training.store.engine import Store, Unstorable, when_back

log = logging.getLogger(__name__)

PREFETCH = 32
_TURNS = 64
# A step holds the job's row: with 64 results each, this is one batch.
_MAX_CHUNKS = 4


class ParallelProductProgressTracker:
    """Takes results that arrive twice, late and in any order; each product counts once and progress never goes back.

    A result is acknowledged after the transaction that wrote it, and its events are published in the order of their `seq`.
    """

    def __init__(
        self, broker: Broker, store: Store, publisher: EventPublisher, dispatcher: Dispatcher, metrics: Metrics, lease_seconds: float
    ):
        self._broker = broker
        self._store = store
        self._publisher = publisher
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._lease_seconds = lease_seconds
        # One step at a time per job, so that its events leave in the order of their numbers; jobs share a fixed set of locks.
        self._turns = [asyncio.Lock() for _ in range(_TURNS)]
        self._waiting: dict[tuple[str, str, int], list[_Waiting]] = {}

    def consuming(self) -> AbstractAsyncContextManager[None]:
        return self._broker.consume(WorkQueue.RESULTS, self._on_delivery, prefetch=PREFETCH)

    async def _on_delivery(self, delivery: Delivery) -> None:
        try:
            chunk = decode_results(delivery.body)
        except UnreadableWork as error:
            self._metrics.results_unreadable()
            log.warning("results dropped", extra={"error": str(error)})
        else:
            await self.record(chunk)
        await delivery.ack()

    async def record(self, chunk: ResultChunk) -> None:
        """Writes one chunk, publishes its events and hands out what may go next. Waits while the store is away.

        Chunks of the same batch that wait for the same turn are one step: a trainer that learns from a whole shop tells of all its
        products at once, and a step costs as much as 100 products. A result that the store refuses fails its product: given back,
        its message would come again for ever.
        """
        job, batch = (chunk.tenant_id, chunk.job_id), (chunk.tenant_id, chunk.job_id, chunk.batch)
        mine = _Waiting(chunk)
        self._waiting.setdefault(batch, []).append(mine)
        try:
            async with self._turns[hash(job) % _TURNS]:
                if not mine.written:
                    with bound(tenant_id=chunk.tenant_id, job_id=chunk.job_id):
                        await self._write(mine, [w for w in self._waiting[batch] if w is not mine and not w.written])
        finally:
            self._waiting[batch].remove(mine)
            if not self._waiting[batch]:
                del self._waiting[batch]

    async def _write(self, mine: "_Waiting", others: "list[_Waiting]") -> None:
        """In this job's turn. What fails or is cancelled leaves the others as they were, to be written in turns of their own."""
        together = [mine, *others][:_MAX_CHUNKS]
        chunk = mine.chunk.model_copy(update={"results": [result for each in together for result in each.chunk.results]})
        try:
            await self._step(chunk)
        except Unstorable as error:
            log.warning("results refused by the store", extra={"error": str(error)})
            for result in chunk.results:
                await self._step_or_refusal(chunk.model_copy(update={"results": [result]}))
        for each in together:
            each.written = True

    async def _step_or_refusal(self, one: ResultChunk) -> None:
        try:
            await self._step(one)
        except Unstorable:
            await self._step(one.model_copy(update={"results": [_refused(one.results[0])]}))

    async def _step(self, chunk: ResultChunk) -> None:
        recorded = await when_back(lambda: self._store.write(results.record, chunk, time.time(), self._lease_seconds))
        self._metrics.results_taken(len(chunk.results) - recorded.late, recorded.late)
        with bound(request_id=None if recorded.row is None else recorded.row["request_id"]):
            await self._publisher.publish_step(recorded.events)
        if recorded.made_room:
            self._dispatcher.room_for(chunk.tenant_id, chunk.job_id)


@dataclass
class _Waiting:
    chunk: ResultChunk
    written: bool = False


def _refused(result: TrainedProduct | FailedProduct) -> FailedProduct:
    return FailedProduct(product_id=result.product_id, reason="result_refused", message="the database can't hold what the worker sent")
