"""What is known of one TrainingJob when it is planned for: the resource as last seen, and the job as the training service tells it."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from levain_contracts.events import MAX_FAILURES
from levain_contracts.kubernetes.training_job import TrainingJobStatus
from levain_contracts.resources import Job
from levain_operator.pace import Pace
from levain_operator.tenancy import NoTenant


class Presence(Enum):
    """Deleting: someone else's finalizer still holds it."""

    THERE = "there"
    DELETING = "deleting"
    GONE = "gone"


class Unreadable(NamedTuple):
    """A spec that this operator can't read, and why."""

    message: str


class NotAsked(NamedTuple):
    """The service has not been asked since this process began."""


class NoSuchJob(NamedTuple):
    """The service answered that it has no such job."""


class Marked(NamedTuple):
    """The service has no such job, and wrote down that one that comes late is not to run."""


class Refused(NamedTuple):
    """The service answered that it will never take the job. `code` is one of docs/errors.md."""

    code: str
    message: str


class Told(NamedTuple):
    """The job as the service tells it. `full`: with its failures, which lists of jobs leave out."""

    job: Job
    full: bool

    @property
    def lacks_failures(self) -> bool:
        return not self.full and len(self.job.failures) < min(self.job.products_failed, MAX_FAILURES)


View = NotAsked | NoSuchJob | Marked | Refused | Told


class Trouble(NamedTuple):
    """Calls that failed in a row, for a reason that may pass."""

    attempts: int
    at: datetime
    message: str
    retry_after_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Observed:
    """`status`: what was last decided, whether or not it has been written; what the API server has, where nothing was decided since
    this process began. `tenant` is None while the namespace is not known.
    """

    uid: str
    name: str
    generation: int
    presence: Presence
    status: TrainingJobStatus
    tenant: str | NoTenant | None
    view: View
    trouble: Trouble | None
    pace: Pace
    now: datetime
