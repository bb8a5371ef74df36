"""TrainingSchedule: a TrainingJob for each time that a cron expression names."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from levain_contracts.kubernetes.base import Conditions, Generation, KubernetesModel, ResourceName, Time
from levain_contracts.kubernetes.training_job import TrainingJobSpec
from levain_contracts.reading import TimeZone

KIND = "TrainingSchedule"
PLURAL = "trainingschedules"
SHORT_NAME = "ts"
MAX_NAME_CHARS = 50  # a child's name is this, a dash and twelve digits: 63
MAX_HISTORY = 100
MAX_ACTIVE = 50
MAX_RECENT_TIMES = 32
MAX_STARTING_DEADLINE_SECONDS = 31 * 24 * 3600

CronText = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z*,/#-]+( [0-9A-Za-z*,/#-]+){4}$", max_length=100)]
HistoryLimit = Annotated[int, Field(ge=0, le=MAX_HISTORY)]


class ConcurrencyPolicy(StrEnum):
    ALLOW = "Allow"
    FORBID = "Forbid"
    REPLACE = "Replace"


class Template(KubernetesModel):
    spec: TrainingJobSpec = Field(description="The spec of the TrainingJobs.")


class TrainingScheduleSpec(KubernetesModel):
    schedule: CronText = Field(description="Five cron fields: minute, hour, day of the month, month, day of the week.")
    time_zone: TimeZone = Field("UTC", description="The time zone of the schedule, by its IANA name, such as Europe/Paris.")
    concurrency_policy: ConcurrencyPolicy = Field(
        ConcurrencyPolicy.FORBID,
        description="What happens to a time whose predecessor still runs. Forbid waits for its end, Replace deletes it, Allow runs both.",
    )
    starting_deadline_seconds: Annotated[int, Field(ge=1, le=MAX_STARTING_DEADLINE_SECONDS)] | None = Field(
        None, description="A time that was missed is made up for no later than this; always the newest one when not given."
    )
    suspend: bool = Field(False, description="No job is started while true. A time that is missed meanwhile counts as missed.")
    successful_jobs_history_limit: HistoryLimit = Field(3, description="So many of the newest TrainingJobs that completed are kept.")
    failed_jobs_history_limit: HistoryLimit = Field(1, description="So many of the newest TrainingJobs that failed are kept.")
    template: Template = Field(description="What the TrainingJobs are made of. It may be changed for those to come.")


class TrainingScheduleStatus(KubernetesModel):
    observed_generation: Generation | None = Field(None, description="The metadata.generation that this status speaks of.")
    active: Annotated[tuple[ResourceName, ...], Field(max_length=MAX_ACTIVE)] = Field((), description="TrainingJobs that have not ended.")
    last_schedule_time: Time | None = Field(None, description="The newest time for which a TrainingJob was made.")
    last_successful_time: Time | None = Field(None, description="When a TrainingJob last completed.")
    next_schedule_time: Time | None = Field(None, description="The next time.")
    recent_schedule_times: Annotated[tuple[Time, ...], Field(max_length=MAX_RECENT_TIMES)] = Field(
        (), description="The newest times that were dealt with: none of them is started again, whatever the clock does."
    )
    conditions: Conditions = Field((), description="Ready: the schedule can be understood and is not suspended.")
