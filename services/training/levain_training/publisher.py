"""Tracker -> publisher -> broker: the five events. News, not truth: what is lost here is healed by the reconcile."""

import asyncio
import logging
from collections.abc import Sequence

from levain_broker.errors import BrokerError
from levain_broker.ports import Broker
from levain_contracts import events
from levain_contracts.events import CompletedData, Event, EventType, FailedData, ProductData
from levain_training.metrics import Metrics
from levain_training.store import live
from levain_training.store.engine import Store, StoreUnavailable

log = logging.getLogger(__name__)

# Marks are written together: one transaction for all jobs of this time, and well before the reconcile looks for unpublished events.
MARK_SECONDS = 0.5


class EventPublisher:
    """The `publish_…` methods return False when the broker did not take the event; none raises for it, none takes over 2 s."""

    def __init__(self, broker: Broker, store: Store, metrics: Metrics) -> None:
        self._broker = broker
        self._store = store
        self._metrics = metrics
        self._published: dict[tuple[str, str], int] = {}

    async def publish_training_started(self, event: Event) -> bool:
        return await self._publish(EventType.STARTED, event)

    async def publish_data_analysis(self, event: Event) -> bool:
        return await self._publish(EventType.PROGRESS, event)

    async def publish_product_training_completed(self, event: Event) -> bool:
        return await self._publish(EventType.PRODUCT_COMPLETED, event)

    async def publish_training_completed(self, event: Event) -> bool:
        return await self._publish(EventType.COMPLETED, event)

    async def publish_training_failed(self, event: Event) -> bool:
        return await self._publish(EventType.FAILED, event)

    async def publish_step(self, step: Sequence[Event]) -> None:
        """All events of one committed step, in order, up to the first that the broker does not take."""
        for event in step:
            self._tell(event)
        for event in step:
            if not await self.publish(event):
                return

    def _tell(self, event: Event) -> None:
        fields: dict[str, object] = {"tenant_id": event.tenant_id, "job_id": event.job_id}
        if event.type is EventType.STARTED:
            self._metrics.job_accepted()
            log.info("job accepted", extra=fields)
        elif isinstance(event.data, ProductData):
            self._metrics.product_ended(event.data.reason if event.data.status == "failed" else None)
        elif isinstance(event.data, CompletedData | FailedData):
            reason = event.data.reason if isinstance(event.data, FailedData) else None
            self._metrics.job_ended(event.type, reason)
            counts = {"trained": event.data.successful, "failed": event.data.failed, "seconds": round(event.data.duration_seconds, 3)}
            log.info("job ended", extra=fields | {"reason": reason} | counts)

    async def publish(self, event: Event) -> bool:
        """An event of a step that was committed before, or one of `publish_step`."""
        publish = {
            EventType.STARTED: self.publish_training_started,
            EventType.PROGRESS: self.publish_data_analysis,
            EventType.PRODUCT_COMPLETED: self.publish_product_training_completed,
            EventType.COMPLETED: self.publish_training_completed,
            EventType.FAILED: self.publish_training_failed,
        }
        if not await publish[event.type](event):
            return False
        key = event.tenant_id, event.job_id
        self._published[key] = max(event.seq, self._published.get(key, 0))
        return True

    async def _publish(self, expected: EventType, event: Event) -> bool:
        if event.type is not expected:
            raise ValueError(f"{event.type} is not {expected}")
        try:
            await self._broker.publish_event(expected.value, events.encode(event))
        except BrokerError as error:
            self._metrics.event_lost(expected)
            log.warning("event not published", extra={"job_id": event.job_id, "seq": event.seq, "error": str(error)})
            return False
        self._metrics.event_published(expected, event.time.timestamp())
        return True

    async def keep_marks(self) -> None:
        """Writes down what was published, for ever; cancel it to stop, then call `write_marks` once."""
        while True:
            await asyncio.sleep(MARK_SECONDS)
            await self.write_marks()

    async def write_marks(self) -> None:
        marks, self._published = self._published, {}
        if not marks:
            return
        try:
            await self._store.write(live.mark_published, marks)
        except StoreUnavailable:
            # Harmless: the reconcile publishes the last event once more, and viewers know it by its number.
            log.warning("published marks not written", extra={"jobs": len(marks)})
