"""Conditions: who is true, since when. Nothing here goes back on an end."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from levain_contracts.kubernetes.base import Condition, Truth
from levain_contracts.kubernetes.training_job import TrainingJobStatus
from levain_contracts.model import clip
from levain_operator.reasons import Kind


class Wanted(NamedTuple):
    type: str
    status: Truth
    reason: str
    message: str = ""


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    return next((c for c in conditions if c.type == kind), None)


def is_true(conditions: Iterable[Condition], kind: str) -> bool:
    found = find(conditions, kind)
    return found is not None and found.status is Truth.TRUE


def ended(status: TrainingJobStatus) -> bool:
    return is_true(status.conditions, Kind.COMPLETE) or is_true(status.conditions, Kind.FAILED)


def accepted(status: TrainingJobStatus) -> bool:
    return is_true(status.conditions, Kind.ACCEPTED)


def updated(before: tuple[Condition, ...], wanted: Iterable[Wanted], generation: int, now: datetime) -> tuple[Condition, ...]:
    """The wanted ones in their order, each with the time at which its status last flipped."""
    return tuple(_updated(find(before, w.type), w, generation, now) for w in wanted)


def _updated(before: Condition | None, wanted: Wanted, generation: int, now: datetime) -> Condition:
    since = before.last_transition_time if before is not None and before.status is wanted.status else now
    return Condition(
        type=wanted.type,
        status=wanted.status,
        reason=wanted.reason,
        message=clip(wanted.message),
        observed_generation=generation,
        last_transition_time=since,
    )
