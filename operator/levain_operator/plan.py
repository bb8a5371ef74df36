"""The heart of the operator: what is to be done for one TrainingJob, from what is known of it. No I/O, no clock, no memory.

Whoever carries a plan out does its actions in order, takes each call's answer through `answers.heard`, and plans again; where an action
fails, the rest is dropped. `status` in what is observed is what was last decided, so that a plan whose status waits to be written is
not made twice.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from levain_contracts.kubernetes.base import Truth
from levain_contracts.kubernetes.training_job import TrainingJobSpec, TrainingJobStatus, to_job_spec
from levain_operator.actions import Action, AskJob, CancelJob, DeleteTrainingJob, PutJob, ResumeJob, SetStatus, SuspendJob, WaitUntil
from levain_operator.conditions import accepted, ended, find
from levain_operator.job_events import events
from levain_operator.observed import Marked, NoSuchJob, NotAsked, Observed, Presence, Refused, Told, Unreadable
from levain_operator.reasons import OTHER_SPEC, Kind
from levain_operator.retry import Backoff
from levain_operator.status import Spec, lacks_failures, next_status


class Rules(NamedTuple):
    """`stream_base`: the gateway as viewers reach it, such as wss://levain.example; None leaves streamUrl out."""

    stream_base: str | None = None
    backoff: Backoff = Backoff()


def plan(spec: Spec, seen: Observed, rules: Rules = Rules()) -> tuple[Action, ...]:
    """Total: any spec, any status, any answer. Empty when all is as it should be."""
    seen = _of_one_tenant(seen)
    if seen.presence is Presence.GONE:
        return tuple(_stop(seen, rules))
    after = next_status(spec, seen, rules.stream_base)
    if not ended(after):
        return (*_say(seen, after), *_move(spec, seen, rules))
    return (*_say(seen, after), *_tidy(seen, after, rules), *_expire(spec, seen, after))


def _of_one_tenant(seen: Observed) -> Observed:
    """A job of another tenant, from before the namespace's label was changed, says nothing about this one."""
    tenants = {tenant for tenant in (seen.tenant, seen.status.tenant_id) if isinstance(tenant, str)}
    if isinstance(seen.view, Told) and tenants - {seen.view.job.tenant_id}:
        return replace(seen, view=NotAsked())
    return seen


def _say(seen: Observed, after: TrainingJobStatus) -> Iterator[Action]:
    if after != seen.status:
        yield SetStatus(after, ended(after))
        yield from events(seen.status, after)


def _move(spec: Spec, seen: Observed, rules: Rules) -> Iterator[Action]:
    """What brings the job on: at most one call, since its answer decides the next."""
    if seen.presence is Presence.DELETING:
        yield from _stop(seen, rules)
        return
    if isinstance(spec, Unreadable) or not isinstance(seen.tenant, str):
        return
    call = _call(spec, seen, seen.tenant)
    if call is not None:
        retry_at = rules.backoff.retry_at(seen.uid, seen.trouble, seen.now)
        yield call if retry_at is None else WaitUntil(retry_at)


def _call(spec: TrainingJobSpec, seen: Observed, tenant: str) -> AskJob | PutJob | SuspendJob | ResumeJob | None:
    match seen.view:
        # Asked and not put: a service that would refuse the spec by now may run the job all the same.
        case NotAsked() if spec.suspend or accepted(seen.status):
            return AskJob(tenant, seen.uid)
        case NoSuchJob() | Marked() if spec.suspend:
            return None
        case NotAsked() | NoSuchJob() | Marked():
            return PutJob(tenant, seen.uid, to_job_spec(spec))
        case Told(job) if not job.state.terminal and job.suspended != spec.suspend:
            return SuspendJob(tenant, seen.uid) if spec.suspend else ResumeJob(tenant, seen.uid)
        case Told() if seen.view.lacks_failures:
            return AskJob(tenant, seen.uid)
    return None


def _stop(seen: Observed, rules: Rules) -> Iterator[Action]:
    """A job whose resource goes: cancelled, also where it is unknown, since a call that starts it may be under way."""
    over = isinstance(seen.view, Marked | Refused) or (isinstance(seen.view, Told) and seen.view.job.state.terminal)
    if over or ended(seen.status) or not isinstance(seen.tenant, str):
        return
    retry_at = rules.backoff.retry_at(seen.uid, seen.trouble, seen.now)
    yield CancelJob(seen.tenant, seen.uid) if retry_at is None else WaitUntil(retry_at)


def _tidy(seen: Observed, after: TrainingJobStatus, rules: Rules) -> Iterator[Action]:
    """After an end: no job runs under a resource that failed, but for one that was never its own; and its failures are there."""
    if not isinstance(seen.tenant, str):
        return
    call: CancelJob | AskJob | None = None
    failed = find(after.conditions, Kind.FAILED)
    assert failed is not None
    match seen.view:
        case Told(job) if not job.state.terminal:
            call = CancelJob(seen.tenant, seen.uid) if failed.status is Truth.TRUE and failed.reason != OTHER_SPEC else None
        case NotAsked() if lacks_failures(after):
            call = AskJob(seen.tenant, seen.uid)
        case Told(_, full) if lacks_failures(after) and not full:
            call = AskJob(seen.tenant, seen.uid)
    if call is not None:
        retry_at = rules.backoff.retry_at(seen.uid, seen.trouble, seen.now)
        yield call if retry_at is None else WaitUntil(retry_at)


def _expire(spec: Spec, seen: Observed, after: TrainingJobStatus) -> Iterator[Action]:
    """In a plan of its own, after the end was decided: who waits for it is to see it."""
    if isinstance(spec, Unreadable) or spec.ttl_seconds_after_finished is None or seen.presence is Presence.DELETING:
        return
    assert after.completion_time is not None
    at = after.completion_time + timedelta(seconds=spec.ttl_seconds_after_finished)
    if seen.now < at or after != seen.status:
        yield WaitUntil(max(at, seen.now))
    else:
        yield DeleteTrainingJob(seen.name, seen.uid)
