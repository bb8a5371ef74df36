"""What is to be done for one TrainingSchedule. No I/O, no clock, no memory.

The actions are done in order, and the first that fails ends the plan: a time counts as dealt with once its TrainingJob is there, and
history is deleted once that has been written down.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from levain_contracts.kubernetes.base import Truth, whole_second
from levain_contracts.kubernetes.training_schedule import MAX_ACTIVE, ConcurrencyPolicy, TrainingScheduleSpec, TrainingScheduleStatus
from levain_operator import reasons
from levain_operator.actions import CreateTrainingJob, DeleteTrainingJob, EmitEvent, ScheduleAction, SetScheduleStatus, WaitUntil
from levain_operator.children import Child, Outcome, child_name, outdated
from levain_operator.conditions import Wanted, find, updated
from levain_operator.cron import BadSchedule, Cron, due, parse, remember
from levain_operator.observed import Presence, Unreadable

SCHEDULE_EVENT_REASONS: dict[str, str] = {
    reasons.CREATED: "a TrainingJob was made for a time",
    reasons.REPLACED: "one that still ran was deleted for the next (concurrencyPolicy Replace)",
    reasons.INVALID_SCHEDULE: "the expression or the time zone can't be understood",
}


@dataclass(frozen=True, kw_only=True)
class SeenSchedule:
    """`children`: the TrainingJobs whose controller is this schedule, by UID. Those that this process made are among them, whether or
    not a watch has shown them yet: concurrencyPolicy would not see them running.
    """

    name: str
    uid: str
    generation: int
    presence: Presence
    status: TrainingScheduleStatus
    children: tuple[Child, ...]
    created_at: datetime
    now: datetime


class _Turn(NamedTuple):
    """What this turn starts: `made` is the time that has its job afterwards; `waits` where a time has come and must wait."""

    actions: tuple[ScheduleAction, ...] = ()
    made: datetime | None = None
    created: str | None = None
    waits: bool = False


def plan_schedule(spec: TrainingScheduleSpec | Unreadable, seen: SeenSchedule) -> tuple[ScheduleAction, ...]:
    """Total. Empty but for a wait when all is as it should be."""
    if seen.presence is not Presence.THERE:
        return ()
    if isinstance(spec, Unreadable):
        return tuple(_unusable(seen, reasons.INVALID_SPEC, spec.message))
    try:
        cron = parse(spec.schedule, spec.time_zone)
    except BadSchedule as error:
        return tuple(_unusable(seen, reasons.INVALID_SCHEDULE, str(error)))
    recent = remember(seen.status.recent_schedule_times, *(child.scheduled_at for child in seen.children))
    turn = _turn(spec, seen, cron, recent)
    recent = recent if turn.made is None else remember(recent, turn.made)
    status = _status(spec, seen, cron, recent, turn)
    said = (SetScheduleStatus(status),) if status != seen.status else ()
    limits = {"completed": spec.successful_jobs_history_limit, "failed": spec.failed_jobs_history_limit}
    history = tuple(DeleteTrainingJob(child.name, child.uid) for child in outdated(seen.children, **limits))
    wait = () if status.next_schedule_time is None else (WaitUntil(status.next_schedule_time),)
    return (*turn.actions, *said, *history, *wait)


def _turn(spec: TrainingScheduleSpec, seen: SeenSchedule, cron: Cron, recent: tuple[datetime, ...]) -> _Turn:
    if spec.suspend:
        return _Turn()
    time = due(cron, recent=recent, created_at=seen.created_at, now=seen.now, deadline_seconds=spec.starting_deadline_seconds)
    if time is None:
        return _Turn()
    active = [child for child in seen.children if child.outcome is Outcome.ACTIVE]
    if active and spec.concurrency_policy is ConcurrencyPolicy.FORBID:
        return _Turn(waits=True)
    replaced: list[ScheduleAction] = []
    if spec.concurrency_policy is ConcurrencyPolicy.REPLACE:
        for child in active:
            if not child.deleting:
                replaced += [
                    DeleteTrainingJob(child.name, child.uid),
                    EmitEvent("Normal", reasons.REPLACED, f"{child.name} still ran and was deleted for the next"),
                ]
    name = child_name(seen.name, time)
    created = (CreateTrainingJob(name, time), EmitEvent("Normal", reasons.CREATED, f"made {name}"))
    return _Turn((*replaced, *created), made=time, created=name)


def _status(
    spec: TrainingScheduleSpec, seen: SeenSchedule, cron: Cron, recent: tuple[datetime, ...], turn: _Turn
) -> TrainingScheduleStatus:
    before = seen.status
    replaces = turn.made is not None and spec.concurrency_policy is ConcurrencyPolicy.REPLACE
    active = [] if replaces else [child.name for child in seen.children if child.outcome is Outcome.ACTIVE]
    names = sorted([*active, *([turn.created] if turn.created is not None else [])])
    completed = [child.ended_at for child in seen.children if child.outcome is Outcome.COMPLETED and child.ended_at is not None]
    upcoming = None if spec.suspend else cron.next_after(seen.now)
    return before.model_copy(
        update={
            "observed_generation": seen.generation,
            "active": tuple(names[:MAX_ACTIVE]),
            "last_schedule_time": max((t for t in (before.last_schedule_time, turn.made) if t is not None), default=None),
            "last_successful_time": max(
                (whole_second(t) for t in (before.last_successful_time, *completed) if t is not None), default=None
            ),
            "next_schedule_time": upcoming,
            "recent_schedule_times": recent,
            "conditions": updated(before.conditions, [_ready(spec, turn)], seen.generation, whole_second(seen.now)),
        }
    )


def _ready(spec: TrainingScheduleSpec, turn: _Turn) -> Wanted:
    if spec.suspend:
        return Wanted(reasons.READY, Truth.FALSE, reasons.SUSPENDED, "no job is started")
    if turn.waits:
        return Wanted(reasons.READY, Truth.TRUE, reasons.WAITING, "a time has come, and its job waits for the one before")
    return Wanted(reasons.READY, Truth.TRUE, reasons.SCHEDULED)


def _unusable(seen: SeenSchedule, reason: str, message: str) -> Iterator[ScheduleAction]:
    wanted = [Wanted(reasons.READY, Truth.FALSE, reason, message)]
    conditions = updated(seen.status.conditions, wanted, seen.generation, whole_second(seen.now))
    after = seen.status.model_copy(update={"conditions": conditions, "observed_generation": seen.generation, "next_schedule_time": None})
    if after != seen.status:
        yield SetScheduleStatus(after)
        known = find(seen.status.conditions, reasons.READY)
        if known is None or known.message != conditions[0].message:
            yield EmitEvent("Warning", reasons.INVALID_SCHEDULE, conditions[0].message)
