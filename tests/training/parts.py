"""Store, broker, tracker, dispatcher and reconcile of one replica, without HTTP, children and workers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.polling import looked
from tests.store.bookkeeper import LEASE_SECONDS, SHA, analysis, spec

from levain_broker.memory import MemoryBroker
from levain_contracts import events
from levain_contracts.events import Event
from levain_contracts.tasks import ResultChunk, TrainingTask, decode_task, encode
from levain_contracts.topics import WorkQueue
from levain_training.dispatcher import Dispatcher
from levain_training.metrics import Metrics
from levain_training.publisher import EventPublisher
from levain_training.reconcile import Reconciler
from levain_training.store import analyses, jobs
from levain_training.store.engine import Store, make_engine, migrate
from levain_training.tracker import ParallelProductProgressTracker

NOW = 1_700_000_000.0


@dataclass
class Parts:
    broker: MemoryBroker
    store: Store
    metrics: Metrics
    publisher: EventPublisher
    dispatcher: Dispatcher
    tracker: ParallelProductProgressTracker
    reconciler: Reconciler
    events: list[Event] = field(default_factory=list)

    async def analysed(self, names: Iterable[str], job: str = "job", **fields: Any) -> jobs.Step:
        """A job in training whose events so far were published and marked long ago."""
        columns = {"dataset_name": "sales", "dataset_version": 1, "dataset_sha256": SHA}
        await self.store.write(jobs.create, "anna", job, spec(**fields), columns, NOW)
        claimed = await self.store.write(analyses.claim, "analyst", NOW, LEASE_SECONDS)
        assert claimed is not None
        step = await self.store.write(analyses.finish, claimed.row, "analyst", analysis(names), NOW)
        assert step is not None
        await self.publisher.publish_step(step.events)
        await self.publisher.write_marks()
        return step

    async def row(self, job: str = "job") -> Any:
        return await self.store.read(jobs.find, "anna", job)

    async def results(self, *chunks: ResultChunk) -> None:
        for chunk in chunks:
            await self.broker.send(WorkQueue.RESULTS, encode(chunk))

    async def until(self, reached: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        async with asyncio.timeout(20):
            await looked(reached)

    async def state_is(self, state: str, job: str = "job") -> None:
        async def reached() -> bool:
            return bool((await self.row(job))["state"] == state)

        await self.until(reached)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"levain_training_{name}_total", labels) or 0.0

    def repairs(self) -> dict[str, float]:
        kinds = ("unpublished_event", "lapsed_batch", "waiting_products", "viewer_behind", "dead_letter", "deadline")
        counts = {kind: self.count("repairs", kind=kind) for kind in kinds}
        return {kind: count for kind, count in counts.items() if count}

    @asynccontextmanager
    async def taking_tasks(self, prefetch: int = 1000) -> AsyncIterator[list[TrainingTask]]:
        """The tasks that came, acknowledged."""
        tasks: list[TrainingTask] = []

        async def take(delivery: Any) -> None:
            tasks.append(decode_task(delivery.body))
            await delivery.ack()

        async with self.broker.consume(WorkQueue.TASKS, take, prefetch=prefetch):
            yield tasks


def make_parts(url: str, broker: MemoryBroker, *, batches_out: int = 4, busy_seconds: float = 5.0, settled_seconds: float = 5.0) -> Parts:
    metrics = Metrics()
    store = Store(make_engine(url, busy_seconds=busy_seconds), metrics)
    publisher = EventPublisher(broker, store, metrics)
    settled = settled_seconds
    dispatcher = Dispatcher(broker, store, metrics, batches_out=batches_out, lease_seconds=LEASE_SECONDS, settled_seconds=settled)
    tracker = ParallelProductProgressTracker(broker, store, publisher, dispatcher, metrics, LEASE_SECONDS)
    reconciler = Reconciler(store, publisher, dispatcher, metrics, every_seconds=0.05, settled_seconds=settled)
    return Parts(broker, store, metrics, publisher, dispatcher, tracker, reconciler)


def database_in(folder: Path) -> str:
    url = f"sqlite:///{folder / 'levain.db'}"
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    return url


@asynccontextmanager
async def consuming(parts: Parts) -> AsyncIterator[None]:
    """Results are tracked, events watched; nothing is handed out or repaired by itself."""

    def on_event(_: str, body: bytes) -> None:
        event = events.decode(body).event
        assert event is not None
        parts.events.append(event)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(parts.broker.watch_events(on_event, lambda: None))
        await stack.enter_async_context(parts.tracker.consuming())
        yield


def run(folder: Path, scenario: Callable[[Parts], Coroutine[Any, Any, None]], broker: MemoryBroker | None = None, **options: Any) -> None:
    url = database_in(folder)

    async def whole() -> None:
        parts = make_parts(url, broker or MemoryBroker(), **options)
        try:
            async with asyncio.timeout(30), consuming(parts):
                await scenario(parts)
        finally:
            await parts.broker.close()
            parts.store.close()

    asyncio.run(whole())
