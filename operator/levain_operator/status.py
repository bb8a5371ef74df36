"""The status that a TrainingJob should have. An end is final, and progress never goes back."""

from datetime import datetime
from typing import NamedTuple

from levain_contracts.events import MAX_FAILURES
from levain_contracts.jobs import JobState
from levain_contracts.kubernetes.base import Condition, Truth, whole_second
from levain_contracts.kubernetes.training_job import FailureStatus, ProgressStatus, TrainingJobSpec, TrainingJobStatus
from levain_contracts.progress import COMPLETED as WHOLE
from levain_contracts.resources import Job
from levain_operator import reasons
from levain_operator.conditions import Wanted, accepted, ended, find, is_true, updated
from levain_operator.observed import Observed, Refused, Told, Unreadable
from levain_operator.pace import eta_seconds
from levain_operator.reasons import Kind, reason_of
from levain_operator.tenancy import NoTenant

Spec = TrainingJobSpec | Unreadable


class End(NamedTuple):
    """`refused`: the training service has, and will have, no such job."""

    state: JobState
    reason: str
    message: str
    at: datetime
    refused: bool


def next_status(spec: Spec, seen: Observed, stream_base: str | None) -> TrainingJobStatus:
    """`stream_base`: the gateway's address as viewers reach it (wss://host), where there is one."""
    if ended(seen.status):
        return _settled(seen)
    end = _end(spec, seen)
    status = _with_job(seen, stream_base, end).model_copy(update={"observed_generation": seen.generation})
    wanted = _active(spec, seen) if end is None else _final(seen, end)
    completion = None if end is None else whole_second(end.at)
    conditions = updated(seen.status.conditions, wanted, seen.generation, whole_second(seen.now))
    return status.model_copy(update={"conditions": conditions, "completion_time": completion})


def _end(spec: Spec, seen: Observed) -> End | None:
    if isinstance(spec, Unreadable):
        return End(JobState.FAILED, reasons.INVALID_SPEC, spec.message, seen.now, True)
    known = seen.status.tenant_id
    if known is not None and seen.tenant not in (None, known):
        message = f"the job was accepted for the tenant {known!r}, and the namespace speaks for another one"
        return End(JobState.FAILED, reasons.TENANT_CHANGED, message, seen.now, False)
    if isinstance(seen.tenant, NoTenant):
        return End(JobState.FAILED, reasons.INVALID_TENANT, seen.tenant.message, seen.now, True)
    match seen.view:
        case Refused(code, message):
            return End(JobState.FAILED, reason_of(code), message, seen.now, True)
        # Failures are worth a question, but no end waits for a service in trouble: they are added when it answers.
        case Told(job) if job.state.terminal and (not seen.view.lacks_failures or seen.trouble is not None):
            return End(job.state, _reason_of(job), job.message or "", job.ended_at or seen.now, False)
    return None


def _reason_of(job: Job) -> str:
    if job.state is JobState.FAILED:
        return reason_of(job.reason)
    return reasons.STATE_WORDS[job.state]


def _with_job(seen: Observed, stream_base: str | None, end: End | None) -> TrainingJobStatus:
    before = seen.status
    if not isinstance(seen.view, Told):
        return before
    job = seen.view.job
    stream = None if stream_base is None else f"{stream_base}/api/v1/tenants/{job.tenant_id}/training/jobs/{job.job_id}/live"
    return before.model_copy(
        update={
            "job_id": job.job_id,
            "tenant_id": job.tenant_id,
            "start_time": before.start_time or (whole_second(job.started_at) if job.started_at is not None else None),
            "progress": _progress(before.progress, job, seen, end),
            # Never fewer than before, should the service have begun anew.
            "failures": max(_failures(job), before.failures, key=len),
            "stream_url": stream,
        }
    )


def _failures(job: Job) -> tuple[FailureStatus, ...]:
    return tuple(
        FailureStatus(product_id=f.product_id, product=f.product, shop=f.shop, reason=f.reason, message=f.message) for f in job.failures
    )


def _progress(before: ProgressStatus | None, job: Job, seen: Observed, end: End | None) -> ProgressStatus:
    """Never less than before, should the service have begun anew. At the end the counts are the job's."""
    percent = max(job.progress, before.percent if before is not None else 0)
    completed, failed, total = job.products_completed, job.products_failed, job.total_products
    if end is None and before is not None:
        completed, failed = max(completed, before.completed), max(failed, before.failed)
        total = total if before.total is None else max(total or 0, before.total)
    if end is None and percent == WHOLE:  # its failures are being asked for
        percent = before.percent if before is not None else 0
    eta = eta_seconds(seen.pace, job) if end is None else None
    after = ProgressStatus(
        percent=percent,
        completed=completed,
        failed=failed,
        total=total,
        display=f"{completed}/{total}" if total is not None else "",
        eta_seconds=eta,
        last_update_time=seen.now,
    )
    if before is None or _counts(before) != _counts(after):
        return after
    # The ETA counts from the last move: told anew each second it would be a write each second.
    eta = None if eta is None or job.suspended else before.eta_seconds
    return before.model_copy(update={"eta_seconds": eta})


def _counts(progress: ProgressStatus) -> tuple[int, int, int, int | None]:
    return progress.percent, progress.completed, progress.failed, progress.total


def _active(spec: Spec, seen: Observed) -> list[Wanted]:
    assert not isinstance(spec, Unreadable)
    state = _state_word(spec, seen)
    return [
        _accepted(spec, seen),
        _suspended(spec, seen),
        Wanted(Kind.COMPLETE, Truth.FALSE, reasons.NOT_ENDED),
        Wanted(Kind.FAILED, Truth.FALSE, reasons.NOT_ENDED),
        Wanted(Kind.SUCCEEDED, Truth.UNKNOWN, state),
    ]


def _accepted(spec: TrainingJobSpec, seen: Observed) -> Wanted:
    if isinstance(seen.view, Told) or accepted(seen.status):
        return Wanted(Kind.ACCEPTED, Truth.TRUE, reasons.ACCEPTED, "the training service has the job")
    if seen.trouble is not None:
        return Wanted(Kind.ACCEPTED, Truth.UNKNOWN, reasons.SERVICE_UNAVAILABLE, f"{seen.trouble.message}; it is asked again")
    return Wanted(Kind.ACCEPTED, Truth.UNKNOWN, reasons.SUSPENDED if spec.suspend else reasons.PENDING)


def _suspended(spec: TrainingJobSpec, seen: Observed) -> Wanted:
    if isinstance(seen.view, Told):
        suspended = seen.view.job.suspended
    else:
        known = find(seen.status.conditions, Kind.SUSPENDED) if accepted(seen.status) else None
        suspended = spec.suspend if known is None else known.status is Truth.TRUE
    if suspended:
        return Wanted(Kind.SUSPENDED, Truth.TRUE, reasons.SUSPENDED, "no more work is handed out")
    return Wanted(Kind.SUSPENDED, Truth.FALSE, reasons.NOT_SUSPENDED)


def _state_word(spec: TrainingJobSpec, seen: Observed) -> str:
    known = find(seen.status.conditions, Kind.SUCCEEDED)
    if isinstance(seen.view, Told) and not seen.view.job.state.terminal:
        return reasons.SUSPENDED if seen.view.job.suspended else reasons.STATE_WORDS[seen.view.job.state]
    if isinstance(seen.view, Told) or accepted(seen.status):
        return known.reason if known is not None else reasons.STATE_WORDS[JobState.PENDING]
    return reasons.SUSPENDED if spec.suspend else reasons.PENDING


def _final(seen: Observed, end: End) -> list[Wanted]:
    completed = end.state is JobState.COMPLETED
    known = find(seen.status.conditions, Kind.ACCEPTED)
    if end.refused and not accepted(seen.status):
        first = Wanted(Kind.ACCEPTED, Truth.FALSE, end.reason, end.message)
    elif isinstance(seen.view, Told) or known is None:
        first = Wanted(Kind.ACCEPTED, Truth.TRUE, reasons.ACCEPTED, "the training service has the job")
    else:
        first = Wanted(Kind.ACCEPTED, known.status, known.reason, known.message)
    return [first, *_ends(completed, end.reason, end.message, _word(completed, end.reason))]


def _word(completed: bool, reason: str) -> str:
    if completed:
        return reasons.COMPLETED
    return reasons.CANCELLED if reason == reasons.CANCELLED else reasons.FAILED


def _ends(completed: bool, reason: str, message: str, word: str) -> list[Wanted]:
    complete, failed = (Truth.TRUE, Truth.FALSE) if completed else (Truth.FALSE, Truth.TRUE)
    return [
        Wanted(Kind.SUSPENDED, Truth.FALSE, reasons.ENDED),
        Wanted(Kind.COMPLETE, complete, reason, message),
        Wanted(Kind.FAILED, failed, reason, message),
        Wanted(Kind.SUCCEEDED, complete, word, message),
    ]


def _settled(seen: Observed) -> TrainingJobStatus:
    """An end as it was written, with what is missing in it or contradicts it mended. Who wrote both ends meant a failure."""
    before = seen.status
    failures = before.failures
    if lacks_failures(before) and isinstance(seen.view, Told) and seen.view.job.state.terminal:
        failures = max(failures, _failures(seen.view.job), key=len)
    completed = not is_true(before.conditions, Kind.FAILED)
    end = find(before.conditions, Kind.COMPLETE if completed else Kind.FAILED)
    assert end is not None
    known = find(before.conditions, Kind.ACCEPTED)
    kept = [known] if known is not None else []
    wanted = _ends(completed, end.reason, end.message, _word(completed, end.reason))
    return before.model_copy(
        update={
            "observed_generation": seen.generation,
            "completion_time": before.completion_time or end.last_transition_time,
            "failures": failures,
            "conditions": (*kept, *(_kept(before.conditions, w, end) for w in wanted)),
        }
    )


def lacks_failures(status: TrainingJobStatus) -> bool:
    return status.progress is not None and len(status.failures) < min(status.progress.failed, MAX_FAILURES)


def _kept(before: tuple[Condition, ...], wanted: Wanted, end: Condition) -> Condition:
    found = find(before, wanted.type)
    if found is not None and (found.status, found.reason) == (wanted.status, wanted.reason):
        return found
    return updated((), [wanted], end.observed_generation or 0, end.last_transition_time)[0]
