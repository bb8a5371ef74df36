"""What a plan asks for. Each action may be done twice and must then change nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from levain_contracts.kubernetes.training_job import TrainingJobStatus
from levain_contracts.kubernetes.training_schedule import TrainingScheduleStatus
from levain_contracts.resources import JobSpec


@dataclass(frozen=True)
class AskJob:
    """GET the job: the one way to learn its failures."""

    tenant_id: str
    job_id: str


@dataclass(frozen=True)
class PutJob:
    tenant_id: str
    job_id: str
    spec: JobSpec


@dataclass(frozen=True)
class SuspendJob:
    tenant_id: str
    job_id: str


@dataclass(frozen=True)
class ResumeJob:
    tenant_id: str
    job_id: str


@dataclass(frozen=True)
class CancelJob:
    tenant_id: str
    job_id: str


Call = AskJob | PutJob | SuspendJob | ResumeJob | CancelJob


@dataclass(frozen=True)
class SetStatus:
    """`ended`: it is final, and first in line."""

    status: TrainingJobStatus
    ended: bool


@dataclass(frozen=True)
class SetScheduleStatus:
    status: TrainingScheduleStatus


@dataclass(frozen=True)
class EmitEvent:
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class CreateTrainingJob:
    """The TrainingJob of one time of a schedule. A name that is taken by a child of the same schedule is as good as made."""

    name: str
    scheduled_at: datetime


@dataclass(frozen=True)
class DeleteTrainingJob:
    """Only the resource of this UID, in the background."""

    name: str
    uid: str


@dataclass(frozen=True)
class WaitUntil:
    """Nothing until then, unless something happens before."""

    at: datetime


Action = Call | SetStatus | EmitEvent | DeleteTrainingJob | WaitUntil
ScheduleAction = SetScheduleStatus | EmitEvent | CreateTrainingJob | DeleteTrainingJob | WaitUntil
