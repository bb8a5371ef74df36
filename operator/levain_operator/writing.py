"""Writes status and events: the throttle decides what goes when, this carries it to the API server."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from levain_contracts.kubernetes.training_job import TrainingJobStatus
from levain_contracts.kubernetes.training_schedule import TrainingScheduleStatus
from levain_operator.cluster import ApiTrouble, Cluster
from levain_operator.manifests import Json, Ref, status_patch
from levain_operator.throttle import Bucket, Throttle, Write

log = logging.getLogger(__name__)

_AT_ONCE = 8
_MAX_EVENTS = 10_000
_EVENT_ATTEMPTS = 3
_EVENT_PAUSE_SECONDS = 2.0


class WriteMetrics(Protocol):
    def status_writes(self, *, made: int, merged: int, refused: int) -> None:
        """Totals so far."""

    def event(self, outcome: str) -> None: ...


class StatusWriter:
    """`gone` is told of a resource that is not there any more."""

    def __init__(
        self, cluster: Cluster, bucket: Bucket, interval_seconds: float, gone: Callable[[Ref], None], metrics: WriteMetrics
    ) -> None:
        self._cluster, self._bucket, self._gone, self._metrics = cluster, bucket, gone, metrics
        self._throttle: Throttle[Ref, TrainingJobStatus] = Throttle(interval_seconds=interval_seconds, bucket=bucket)
        self._wake, self._free = asyncio.Event(), asyncio.Semaphore(_AT_ONCE)

    def offer(self, ref: Ref, status: TrainingJobStatus, *, ended: bool) -> None:
        self._throttle.offer(ref, status, ended=ended)
        self._wake.set()

    def forget(self, ref: Ref) -> None:
        self._throttle.forget(ref)

    async def write_now(self, ref: Ref, status: TrainingScheduleStatus) -> None:
        """Within the limit of all writes too. Raises `ApiTrouble`."""
        await _token_of(self._bucket)
        await self._cluster.apply_status(ref, status_patch(ref, status))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as writing:
            while True:
                self._wake.clear()
                for write in self._throttle.take(time.monotonic()):
                    writing.create_task(self._write(write))
                await self._until_something_may_go()

    async def _until_something_may_go(self) -> None:
        now = time.monotonic()
        at = self._throttle.next_at(now)
        try:
            async with asyncio.timeout(None if at is None else max(at - now, 0.0)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _write(self, write: Write[Ref, TrainingJobStatus]) -> None:
        written = False
        try:
            async with self._free:
                await self._cluster.apply_status(write.key, status_patch(write.key, write.value))
            written = True
        except ApiTrouble as trouble:
            if trouble.gone:
                self._throttle.forget(write.key)
                self._gone(write.key)
            else:
                log.warning("status not written", extra={"resource": write.key.name, "namespace": write.key.namespace, "why": str(trouble)})
        self._throttle.done(write, written=written)
        self._metrics.status_writes(made=self._throttle.made, merged=self._throttle.merged, refused=self._throttle.refused)
        self._wake.set()


class EventWriter:
    """Best effort, in order: an event that can't be written after some attempts is dropped, and counted."""

    def __init__(self, cluster: Cluster, bucket: Bucket, metrics: WriteMetrics) -> None:
        self._cluster, self._bucket, self._metrics = cluster, bucket, metrics
        self._waiting: asyncio.Queue[Json] = asyncio.Queue(_MAX_EVENTS)

    def offer(self, event: Json) -> None:
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self._metrics.event("dropped")

    async def run(self) -> None:
        while True:
            event = await self._waiting.get()
            await _token_of(self._bucket)
            self._metrics.event("written" if await self._written(event) else "dropped")

    async def _written(self, event: Json) -> bool:
        for attempt in range(_EVENT_ATTEMPTS):
            try:
                await self._cluster.create_event(event["metadata"]["namespace"], event)
            except ApiTrouble as trouble:
                if trouble.reason == "AlreadyExists":
                    return True
                if trouble.status in (403, 404, 422):  # a namespace that goes takes no new events
                    return False
                await asyncio.sleep(_EVENT_PAUSE_SECONDS * (attempt + 1))
            else:
                return True
        return False


async def _token_of(bucket: Bucket) -> None:
    while not bucket.take(now := time.monotonic()):
        await asyncio.sleep(bucket.next_at(now) - now)
