"""The TrainingJobs of a schedule: their names, and which of them history no longer needs."""

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

from levain_contracts.kubernetes.base import MAX_RESOURCE_NAME_CHARS
from levain_contracts.kubernetes.training_schedule import MAX_NAME_CHARS

_STAMP = "%Y%m%d%H%M"
_NAME = re.compile(r".+-(\d{12})")
_HASH_CHARS = 8


class Outcome(Enum):
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"


class Child(NamedTuple):
    """`ended_at`: its completionTime."""

    name: str
    uid: str
    scheduled_at: datetime
    outcome: Outcome
    ended_at: datetime | None = None
    deleting: bool = False


def child_name(schedule: str, at: datetime) -> str:
    """The same for the same schedule and minute, so that no time has two; a resource name of at most 63 characters."""
    stem = schedule
    if len(schedule) > MAX_NAME_CHARS:
        digest = hashlib.sha256(schedule.encode()).hexdigest()[:_HASH_CHARS]
        stem = f"{schedule[: MAX_NAME_CHARS - _HASH_CHARS - 1].rstrip('-.')}-{digest}"
    name = f"{stem}-{at.astimezone(UTC).strftime(_STAMP)}"
    assert len(name) <= MAX_RESOURCE_NAME_CHARS
    return name


def time_of(name: str) -> datetime | None:
    """The scheduled minute in a child's name; None in a name that is none."""
    found = _NAME.fullmatch(name)
    try:
        return None if found is None else datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def outdated(children: Iterable[Child], *, completed: int, failed: int) -> tuple[Child, ...]:
    """Ended children beyond the newest so many of each outcome, oldest first. Their times must be remembered before they go: they would be
    made again else, should the clock go back.
    """
    limits = {Outcome.COMPLETED: completed, Outcome.FAILED: failed}
    newest_first = sorted(children, key=lambda c: (c.scheduled_at, c.name), reverse=True)
    over = [c for outcome, limit in limits.items() for c in [c for c in newest_first if c.outcome is outcome][limit:]]
    return tuple(sorted((c for c in over if not c.deleting), key=lambda c: (c.scheduled_at, c.name)))
