"""Asks the training service what changed, and compares from time to time everything with everything: the operator is level by nature."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from levain_contracts.claims import Role
from levain_contracts.resources import Job
from levain_operator.actions import CancelJob
from levain_operator.cluster import ApiTrouble, Cluster
from levain_operator.manifests import Json
from levain_operator.memory import Memory, Version, tenant_labels
from levain_operator.observed import Presence, Told, Trouble
from levain_operator.orphans import orphans
from levain_operator.reading import read_identity
from levain_operator.retry import Backoff
from levain_operator.service import Page, Unlisted
from levain_operator.signs import Signs

log = logging.getLogger(__name__)

_BACKOFF = Backoff(cap_seconds=30.0)


class ServiceLists(Protocol):
    async def changes(self, cursor: str | None, *, active: bool = False) -> Page: ...


class Work(Protocol):
    def wake(self, uids: Iterable[str]) -> None: ...

    async def cancel(self, call: CancelJob) -> None: ...


class PollMetrics(Protocol):
    def polled(self, outcome: str) -> None: ...

    def compared(self, outcome: str, seconds: float) -> None: ...

    def repaired(self, kind: str) -> None: ...


class Poller:
    """`attempt` is a sign that it tries, `poll` one that it gets answers."""

    def __init__(
        self, service: ServiceLists, memory: Memory, work: Work, signs: Signs, metrics: PollMetrics, *, now: Callable[[], datetime]
    ) -> None:
        self._service, self._memory, self._work = service, memory, work
        self._signs, self._metrics, self._now = signs, metrics, now
        self._cursor: str | None = None

    async def run(self, interval_seconds: float) -> None:
        """The first walk lists what runs, and the following what changed since it began."""
        failed = 0
        while True:
            began = time.monotonic()
            try:
                await self._walk()
            except Unlisted as error:
                failed += 1
                self._metrics.polled("failed")
                log.warning("the training service does not tell what changed", extra={"why": str(error), "attempts": failed})
                pause = _BACKOFF.delay_seconds("poll", Trouble(failed, self._now(), ""))
            else:
                failed, pause = 0, interval_seconds
                self._metrics.polled("done")
                self._signs.give("poll")
            self._signs.give("attempt")
            await asyncio.sleep(max(began + pause - time.monotonic(), 0.0))

    async def _walk(self) -> None:
        more, active = True, self._cursor is None
        while more:
            page = await self._service.changes(self._cursor, active=active)
            for job in page.jobs:
                self._work.wake(self._memory.tell(job, self._now()))
            self._cursor, more = page.cursor, page.more


class Comparison:
    """Everything that there is, by lists: what the watch did not show, jobs that run for nobody, jobs that the service has lost."""

    def __init__(
        self,
        cluster: Cluster,
        service: ServiceLists,
        memory: Memory,
        work: Work,
        signs: Signs,
        metrics: PollMetrics,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._cluster, self._service, self._memory, self._work = cluster, service, memory, work
        self._signs, self._metrics, self._now = signs, metrics, now
        self._seen_before: dict[str, Version] = {}

    async def first(self) -> None:
        """Before anything is planned: a schedule that does not know its TrainingJobs can't tell whether one runs. Raises `ApiTrouble`."""
        await self._namespaces()
        self._work.wake(self._schedules(await self._cluster.schedules()))
        self._jobs(await self._cluster.jobs())
        self._work.wake([*self._memory.jobs, *self._memory.schedules])

    async def run(self, interval_seconds: float) -> None:
        while True:
            await asyncio.sleep(interval_seconds)
            began = time.monotonic()
            try:
                await self._compare()
            except (ApiTrouble, Unlisted) as error:
                self._metrics.compared("failed", time.monotonic() - began)
                log.warning("not compared", extra={"why": str(error)})
            else:
                self._metrics.compared("done", time.monotonic() - began)

    async def _compare(self) -> None:
        running = await self._running()
        told_at = asked_at = self._now()
        await self._namespaces()
        known = set(self._memory.jobs), set(self._memory.schedules)
        self._work.wake(self._schedules(await self._cluster.schedules(), known[1]))
        bodies = await self._cluster.jobs()
        self._work.wake(self._jobs(bodies, known[0]))
        self._watch_is_alive(bodies)
        for call in orphans(running, told_at, self._memory.listed(bodies, asked_at)):
            self._metrics.repaired("orphan")
            log.warning("cancelling a job that runs for nobody", extra={"job_id": call.job_id, "tenant_id": call.tenant_id})
            await self._work.cancel(call)

    async def _running(self) -> list[Job]:
        """Jobs of ours that run, by the service. A job that it does not list is asked for."""
        before = {uid for uid, job in self._memory.jobs.items() if isinstance(job.view, Told) and not job.view.job.state.terminal}
        jobs, cursor, more = [], None, True
        while more:
            page = await self._service.changes(cursor, active=True)
            jobs += [job for job in page.jobs if job.started_by is Role.OPERATOR]
            cursor, more = page.cursor, page.more
        for job in jobs:
            self._work.wake(self._memory.tell(job, self._now()))
        for uid in before - {job.job_id for job in jobs}:
            woken = self._memory.unlist(uid)
            if woken:
                self._metrics.repaired("unlisted")
            self._work.wake(woken)
        return jobs

    async def _namespaces(self) -> None:
        bodies = await self._cluster.namespaces()
        for body in bodies:
            self._work.wake(self._memory.saw_namespace(body["metadata"]["name"], tenant_labels(body)))
        self._memory.only_namespaces(body["metadata"]["name"] for body in bodies)

    def _jobs(self, bodies: list[Json], known: Iterable[str] = ()) -> list[str]:
        """`known`: those that were there before the list was asked for. One that is not listed is gone."""
        woken = [uid for body in bodies if self._is_news(body) for uid in self._memory.saw_job(body)]
        for uid in set(known) - {read_identity(body).uid for body in bodies}:
            job = self._memory.jobs.get(uid)
            if job is not None and job.presence is not Presence.GONE:
                self._metrics.repaired("deletion_not_seen")
                woken += self._memory.lost_job(uid)
        return woken

    def _schedules(self, bodies: list[Json], known: Iterable[str] = ()) -> list[str]:
        woken = [uid for body in bodies for uid in self._memory.saw_schedule(body)]
        for uid in set(known) - {read_identity(body).uid for body in bodies}:
            woken += self._memory.lost_schedule(uid)
        return woken

    def _is_news(self, body: Json) -> bool:
        identity = read_identity(body)
        job = self._memory.jobs.get(identity.uid)
        return job is None or Version.of(identity, body) > job.version

    def _watch_is_alive(self, bodies: list[Json]) -> None:
        """It is while it has shown whatever was there at the comparison before: what is younger may be on its way."""
        listed = {identity.uid: Version.of(identity, body) for body in bodies for identity in [read_identity(body)]}
        behind = 0
        for uid, version in self._seen_before.items():
            job = self._memory.jobs.get(uid)
            if uid in listed and job is not None and (job.watched is None or job.watched < version):
                behind += 1
                self._metrics.repaired("change_not_seen")
        self._seen_before = listed
        if not behind:
            self._signs.give("watch")
