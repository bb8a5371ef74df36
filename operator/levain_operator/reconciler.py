"""Carries plans out, one resource at a time: what is planned comes from what is so, and each answer is planned from again."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from levain_contracts.ids import new_request_id
from levain_logs import bound
from levain_operator.actions import (
    Call,
    CancelJob,
    CreateTrainingJob,
    DeleteTrainingJob,
    EmitEvent,
    PutJob,
    SetScheduleStatus,
    SetStatus,
    WaitUntil,
)
from levain_operator.answers import Answer, NoAnswer
from levain_operator.cluster import ApiTrouble, Cluster
from levain_operator.conditions import ended
from levain_operator.manifests import Json, Ref, child_job, event
from levain_operator.memory import Memory, TrackedJob, TrackedSchedule
from levain_operator.observed import Presence, Trouble, Unreadable
from levain_operator.plan import Rules, plan
from levain_operator.reading import read_identity, read_job_status
from levain_operator.schedule_plan import plan_schedule
from levain_operator.turns import Turns
from levain_operator.writing import EventWriter, StatusWriter

log = logging.getLogger(__name__)

# A clock may be set while a wait is under way: what waits for a time is looked at again so often.
_LONGEST_WAIT_SECONDS = 10.0
_AFTER_ERROR_SECONDS = 60.0


class ServiceCalls(Protocol):
    async def call(self, call: Call) -> Answer | NoAnswer: ...


class ReconcileMetrics(Protocol):
    def reconciled(self, kind: str, outcome: str) -> None: ...

    def turn_ended(self, kind: str, seconds: float) -> None: ...

    def service_call(self, kind: str, status: int) -> None:
        """`status` is 0 where there was no answer."""


class Reconciler:
    """`workers` resources are worked at at once. `now` is the clock of schedules and times in a status, in UTC."""

    def __init__(
        self,
        memory: Memory,
        cluster: Cluster,
        service: ServiceCalls,
        statuses: StatusWriter,
        events: EventWriter,
        metrics: ReconcileMetrics,
        *,
        rules: Rules,
        now: Callable[[], datetime],
        workers: int = 16,
    ) -> None:
        self._memory, self._cluster, self._service = memory, cluster, service
        self._statuses, self._events, self._metrics = statuses, events, metrics
        self._rules, self._now, self._workers = rules, now, workers
        self._turns: Turns[str] = Turns()

    def wake(self, uids: Iterable[str]) -> None:
        for uid in uids:
            self._turns.add(uid)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._workers):
                workers.create_task(self._work())

    async def cancel(self, call: CancelJob) -> None:
        """A job of nobody. Where it can't be cancelled, the next comparison finds it again."""
        await self._ask(call)

    async def _work(self) -> None:
        while True:
            uid = await self._turns.take()
            try:
                await self._turn(uid)
            except Exception:  # one resource that we can't handle must not stop the others
                log.exception("reconcile failed", extra={"uid": uid})
                self._metrics.reconciled("unknown", "error")
                self._turns.add_after(uid, _AFTER_ERROR_SECONDS)
            finally:
                self._turns.done(uid)

    @property
    def waiting(self) -> int:
        """Resources whose turn has come, or that are at work."""
        return len(self._turns)

    async def _turn(self, uid: str) -> None:
        job, schedule = self._memory.jobs.get(uid), self._memory.schedules.get(uid)
        began = time.monotonic()
        if job is not None:
            await self._turn_of_job(job)
            self._metrics.turn_ended("TrainingJob", time.monotonic() - began)
        elif schedule is not None:
            await self._turn_of_schedule(schedule)
            self._metrics.turn_ended("TrainingSchedule", time.monotonic() - began)

    async def _turn_of_job(self, job: TrackedJob) -> None:
        actions = plan(job.spec, job.observed(self._now()), self._rules)
        for action in actions:
            match action:
                case WaitUntil(at):
                    self._wait(job.ref.uid, at)
                case SetStatus(status, ended=over):
                    job.status, job.decided = status, True
                    self._statuses.offer(job.ref, status, ended=over)
                case EmitEvent():
                    self._events.offer(event(job.ref, action, self._now()))
                case DeleteTrainingJob():
                    await self._delete(job, action)
                case _:
                    await self._call(job, action)
                    self._turns.add(job.ref.uid)
        if job.presence is Presence.GONE:
            self._statuses.forget(job.ref)
            if not actions:
                self._memory.forget_job(job.ref.uid)
        self._metrics.reconciled("TrainingJob", "done")

    async def _call(self, job: TrackedJob, call: Call) -> None:
        if isinstance(call, PutJob):
            try:
                if not await self._may_start(job):
                    return
            except ApiTrouble as trouble:
                job.hear(call, NoAnswer(f"the API server: {trouble}"), self._now())
                return
        job.hear(call, await self._ask(call), self._now())

    async def _may_start(self, job: TrackedJob) -> bool:
        """The watch may be behind: a resource that is gone by now, or has ended, starts nothing. Raises `ApiTrouble`."""
        try:
            body = await self._cluster.job(job.ref.namespace, job.ref.name)
        except ApiTrouble as trouble:
            if not trouble.gone:
                raise
            body = None
        if body is None or read_identity(body).uid != job.ref.uid:
            self.wake(self._memory.lost_job(job.ref.uid))
            return False
        status = read_job_status(body)
        if ended(status) and not ended(job.status):
            job.status = status
            return False
        before = job.spec
        self.wake(self._memory.saw_job(body))
        return job.spec == before and job.presence is Presence.THERE

    async def _ask(self, call: Call) -> Answer | NoAnswer:
        with bound(tenant_id=call.tenant_id, job_id=call.job_id, request_id=new_request_id()):
            return await self._asked(call)

    async def _asked(self, call: Call) -> Answer | NoAnswer:
        answer = await self._service.call(call)
        status = answer.status if isinstance(answer, Answer) else 0
        self._metrics.service_call(type(call).__name__, status)
        if isinstance(answer, NoAnswer) or status >= 400:
            why = answer.why if isinstance(answer, NoAnswer) else f"status {status}"
            log.info("call not answered as hoped", extra={"call": type(call).__name__, "why": why})
        return answer

    async def _delete(self, job: TrackedJob, action: DeleteTrainingJob) -> None:
        try:
            await self._cluster.delete_job(job.ref.namespace, action.name, action.uid)
        except ApiTrouble as trouble:
            if not trouble.gone:
                log.warning("not deleted", extra={"resource": action.name, "namespace": job.ref.namespace, "why": str(trouble)})
                self._turns.add_after(job.ref.uid, _LONGEST_WAIT_SECONDS)
                return
        self.wake(self._memory.lost_job(action.uid))

    async def _turn_of_schedule(self, schedule: TrackedSchedule) -> None:
        """The first action that fails ends the plan: a time counts as dealt with once its TrainingJob is there."""
        seen = schedule.seen(self._memory.children(schedule.ref.uid), self._now())
        try:
            for action in plan_schedule(schedule.spec, seen):
                match action:
                    case WaitUntil(at):
                        self._wait(schedule.ref.uid, at)
                    case EmitEvent():
                        self._events.offer(event(schedule.ref, action, self._now()))
                    case CreateTrainingJob():
                        await self._create(schedule, action)
                    case DeleteTrainingJob(name, uid):
                        await self._delete_child(schedule, name, uid)
                    case SetScheduleStatus(status):
                        await self._statuses.write_now(schedule.ref, status)
                        schedule.status = status
        except ApiTrouble as trouble:
            self._failed(schedule, trouble)
        else:
            schedule.trouble = None
            self._metrics.reconciled("TrainingSchedule", "done")

    def _failed(self, schedule: TrackedSchedule, trouble: ApiTrouble) -> None:
        self._metrics.reconciled("TrainingSchedule", "failed")
        attempts = (schedule.trouble.attempts if schedule.trouble is not None else 0) + 1
        schedule.trouble = Trouble(attempts, self._now(), str(trouble))
        where = {"resource": schedule.ref.name, "namespace": schedule.ref.namespace}
        log.warning("schedule not carried out", extra={**where, "why": str(trouble)})
        self._turns.add_after(schedule.ref.uid, self._rules.backoff.delay_seconds(schedule.ref.uid, schedule.trouble))

    async def _create(self, schedule: TrackedSchedule, action: CreateTrainingJob) -> None:
        assert not isinstance(schedule.spec, Unreadable)
        try:
            body = await self._cluster.create_job(schedule.ref.namespace, child_job(schedule.ref, action, schedule.spec.template.spec))
        except ApiTrouble as trouble:
            if trouble.reason != "AlreadyExists":
                raise
            body = await self._own_child(schedule.ref, action, trouble)
        self.wake(self._memory.saw_job(body))

    async def _own_child(self, schedule: Ref, action: CreateTrainingJob, taken: ApiTrouble) -> Json:
        """Made before by this schedule, and not remembered. Raises `ApiTrouble` where the name is somebody else's."""
        body = await self._cluster.job(schedule.namespace, action.name)
        if read_identity(body).owner_uid != schedule.uid:
            raise taken
        return body

    async def _delete_child(self, schedule: TrackedSchedule, name: str, uid: str) -> None:
        try:
            await self._cluster.delete_job(schedule.ref.namespace, name, uid)
        except ApiTrouble as trouble:
            if not trouble.gone:
                raise
        self.wake(self._memory.lost_job(uid))

    def _wait(self, uid: str, at: datetime) -> None:
        self._turns.add_after(uid, min((at - self._now()).total_seconds(), _LONGEST_WAIT_SECONDS))
