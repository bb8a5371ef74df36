"""Level, not edge: compares the store with what should be and mends the difference. Each repair is counted; a quiet system has none."""

import asyncio
import logging
import time

from levain_broker.errors import BrokerError
from levain_training.dispatcher import Dispatcher
from levain_training.metrics import Metrics
from levain_training.publisher import EventPublisher
from levain_training.store import live
from levain_training.store.engine import Store, StoreUnavailable

log = logging.getLogger(__name__)

_AT_ONCE = 100


class Reconciler:
    def __init__(
        self,
        store: Store,
        publisher: EventPublisher,
        dispatcher: Dispatcher,
        metrics: Metrics,
        *,
        every_seconds: float,
        settled_seconds: float,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._every_seconds = every_seconds
        self._settled_seconds = settled_seconds

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._every_seconds)
            began = time.monotonic()
            await self.once()
            self._metrics.reconciled(time.monotonic() - began)

    async def once(self) -> None:
        """Each repair, also where another fails."""
        for repair in (self.publish_again, self.end_overdue, self._dispatcher.repair_lapsed, self._dispatcher.repair_waiting):
            try:
                await repair()
            except (StoreUnavailable, BrokerError) as error:
                self._metrics.repair_put_off()
                log.warning("repair put off", extra={"repair": repair.__name__, "error": str(error)})
            except Exception:
                self._metrics.repair_put_off()
                log.exception("repair failed", extra={"repair": repair.__name__})

    async def publish_again(self) -> None:
        """The last event of each job that a process left unpublished: viewers close what is missing before it by a read.

        Ends at the first that the broker does not take: the next round tries again.
        """
        for row in await self._store.read(live.unpublished, time.time() - self._settled_seconds, _AT_ONCE):
            event = await self._store.read(live.last_event, row)
            if event is None:  # a suspend or resume, which has no event of its own
                await self._store.write(live.mark_published, {(row["tenant_id"], row["job_id"]): row["seq"]})
            elif await self._publisher.publish(event):
                self._metrics.repaired("unpublished_event")
            else:
                return

    async def end_overdue(self) -> None:
        now = time.time()
        for tenant_id, job_id in await self._store.read(live.overdue, now, _AT_ONCE):
            step = await self._store.write(live.end_overdue, tenant_id, job_id, now)
            if step is not None:
                self._metrics.repaired("deadline")
                await self._publisher.publish_step(step.events)
