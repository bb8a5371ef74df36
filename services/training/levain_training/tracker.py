"""Results -> tracker -> publisher: turns workers' results into progress. State is a function of the set of results."""

import asyncio
import logging
import time
from contextlib import AbstractAsyncContextManager

from levain_broker.ports import Broker, Delivery
from levain_contracts.tasks import FailedProduct, ResultChunk, TrainedProduct, UnreadableWork, decode_results
from levain_contracts.topics import WorkQueue
from levain_training.dispatcher import Dispatcher
from levain_training.metrics import Metrics
from levain_training.publisher import EventPublisher
from levain_training.store import results
from levain_training.store.engine import Store, Unstorable, when_back

log = logging.getLogger(__name__)

PREFETCH = 32
_TURNS = 64


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

        A result that the store refuses fails its product: given back, its message would come again for ever.
        """
        try:
            await self._record(chunk)
        except Unstorable as error:
            log.warning("results refused by the store", extra={"job_id": chunk.job_id, "error": str(error)})
            if len(chunk.results) == 1:
                await self._record(chunk.model_copy(update={"results": [_refused(chunk.results[0])]}))
            else:
                for result in chunk.results:
                    await self.record(chunk.model_copy(update={"results": [result]}))

    async def _record(self, chunk: ResultChunk) -> None:
        key = (chunk.tenant_id, chunk.job_id)
        async with self._turns[hash(key) % _TURNS]:
            recorded = await when_back(lambda: self._store.write(results.record, chunk, time.time(), self._lease_seconds))
            self._metrics.results_taken(len(chunk.results) - recorded.late, recorded.late)
            await self._publisher.publish_step(recorded.events)
        if recorded.row is not None:
            self._dispatcher.room_for(*key)


def _refused(result: TrainedProduct | FailedProduct) -> FailedProduct:
    return FailedProduct(product_id=result.product_id, reason="result_refused", message="the database can't hold what the worker sent")
