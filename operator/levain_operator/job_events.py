"""What `kubectl describe` lists: one event for each condition that flips, a few stable reasons."""

from collections.abc import Iterator

from levain_contracts.kubernetes.base import Truth
from levain_contracts.kubernetes.training_job import TrainingJobStatus
from levain_operator import reasons
from levain_operator.actions import EmitEvent
from levain_operator.conditions import ended, find
from levain_operator.reasons import Kind

EVENT_REASONS: dict[str, str] = {
    "Accepted": "the training service has the job",
    "ServiceUnavailable": "the training service did not answer as it should, and is asked again",
    "Suspended": "no more work is handed out",
    "Resumed": "work is handed out again",
    "Completed": "the job completed",
    "Cancelled": "the job was cancelled",
    "Failed": "the job failed, or was refused; the message begins with the reason",
}


def events(before: TrainingJobStatus, after: TrainingJobStatus) -> Iterator[EmitEvent]:
    if ended(before):
        return
    if _became(before, after, Kind.ACCEPTED, Truth.TRUE):
        yield EmitEvent("Normal", "Accepted", f"accepted as job {after.job_id} of the tenant {after.tenant_id}")
    trouble = find(after.conditions, Kind.ACCEPTED)
    if trouble is not None and trouble.reason == reasons.SERVICE_UNAVAILABLE and _reason(before, Kind.ACCEPTED) != trouble.reason:
        yield EmitEvent("Warning", "ServiceUnavailable", trouble.message)
    if ended(after):
        yield _end(after)
    elif _became(before, after, Kind.SUSPENDED, Truth.TRUE):
        yield EmitEvent("Normal", "Suspended", "no more work is handed out")
    elif _status(before, Kind.SUSPENDED) is Truth.TRUE and _status(after, Kind.SUSPENDED) is Truth.FALSE:
        yield EmitEvent("Normal", "Resumed", "work is handed out again")


def _end(after: TrainingJobStatus) -> EmitEvent:
    failed = find(after.conditions, Kind.FAILED)
    if failed is None or failed.status is not Truth.TRUE:
        progress = after.progress
        counts = "" if progress is None else f": {progress.completed - progress.failed} products trained, {progress.failed} failed"
        return EmitEvent("Normal", "Completed", f"the job completed{counts}")
    if failed.reason == reasons.CANCELLED:
        return EmitEvent("Normal", "Cancelled", failed.message or "the job was cancelled")
    return EmitEvent("Warning", "Failed", f"{failed.reason}: {failed.message}")


def _became(before: TrainingJobStatus, after: TrainingJobStatus, kind: Kind, status: Truth) -> bool:
    return _status(after, kind) is status and _status(before, kind) is not status


def _status(status: TrainingJobStatus, kind: Kind) -> Truth | None:
    found = find(status.conditions, kind)
    return None if found is None else found.status


def _reason(status: TrainingJobStatus, kind: Kind) -> str | None:
    found = find(status.conditions, kind)
    return None if found is None else found.reason
