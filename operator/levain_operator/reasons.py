"""The words that stand in conditions and events: programs may rely on them, and docs/operator.md lists this table."""

from enum import StrEnum
from typing import Final, NamedTuple

from levain_contracts.jobs import JobState


class Kind(StrEnum):
    """The types of a TrainingJob's conditions, in the order in which they are written."""

    ACCEPTED = "Accepted"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"
    SUCCEEDED = "Succeeded"


READY: Final = "Ready"  # the one condition of a TrainingSchedule

PENDING: Final = "Pending"
SUSPENDED: Final = "Suspended"
NOT_SUSPENDED: Final = "NotSuspended"
ACCEPTED: Final = "Accepted"
SERVICE_UNAVAILABLE: Final = "ServiceUnavailable"
NOT_ENDED: Final = "NotEnded"
ENDED: Final = "Ended"
COMPLETED: Final = "Completed"
FAILED: Final = "Failed"
CANCELLED: Final = "Cancelled"
INVALID_SPEC: Final = "InvalidSpec"
INVALID_TENANT: Final = "InvalidTenant"
TENANT_CHANGED: Final = "TenantChanged"
OTHER_SPEC: Final = "OtherSpec"
UNKNOWN: Final = "Unknown"

SCHEDULED: Final = "Scheduled"
WAITING: Final = "WaitingForPredecessor"
INVALID_SCHEDULE: Final = "InvalidSchedule"
CREATED: Final = "Created"
REPLACED: Final = "Replaced"

STATE_WORDS: dict[JobState, str] = {
    JobState.PENDING: "Accepted",
    JobState.ANALYSING: "Analysing",
    JobState.TRAINING: "Running",
    JobState.COMPLETED: COMPLETED,
    JobState.FAILED: FAILED,
    JobState.CANCELLED: CANCELLED,
}


class Meaning(NamedTuple):
    condition: str
    status: str
    reason: str
    meaning: str


_REFUSALS = "a code of docs/errors.md in camel case, such as `UnknownDataset`, `UriNotAllowed`, `UnknownModel`"

MEANINGS: tuple[Meaning, ...] = (
    Meaning(Kind.ACCEPTED, "Unknown", PENDING, "the training service has not been asked yet"),
    Meaning(Kind.ACCEPTED, "Unknown", SUSPENDED, "it is suspended, and the service is not asked before it is resumed"),
    Meaning(
        Kind.ACCEPTED, "Unknown", SERVICE_UNAVAILABLE, "the service did not answer as it should; it is asked again with growing delays"
    ),
    Meaning(Kind.ACCEPTED, "True", ACCEPTED, "the service has the job"),
    Meaning(Kind.ACCEPTED, "False", _REFUSALS, "the service will never take it: the job has failed"),
    Meaning(Kind.ACCEPTED, "False", INVALID_SPEC, "the operator can't read the spec (an older operator beside a newer CRD)"),
    Meaning(Kind.ACCEPTED, "False", INVALID_TENANT, "the namespace's label `levain.dev/tenant` is no id"),
    Meaning(Kind.SUSPENDED, "True", SUSPENDED, "no more work is handed out"),
    Meaning(Kind.SUSPENDED, "False", f"{NOT_SUSPENDED}, {ENDED}", ""),
    Meaning(Kind.COMPLETE, "True", COMPLETED, "every product ended, at least one has a forecast"),
    Meaning(Kind.COMPLETE, "False", f"{NOT_ENDED}, or as Failed", ""),
    Meaning(
        Kind.FAILED,
        "True",
        "the job's reason",
        "a reason of docs/errors.md in camel case, such as `TooManyFailedProducts`, `DeadlineExceeded`",
    ),
    Meaning(Kind.FAILED, "True", CANCELLED, "it was cancelled"),
    Meaning(Kind.FAILED, "True", OTHER_SPEC, "the service has a job of this id with another spec"),
    Meaning(Kind.FAILED, "True", TENANT_CHANGED, "the namespace speaks for another tenant than when the job was accepted"),
    Meaning(Kind.FAILED, "False", f"{NOT_ENDED}, {COMPLETED}", ""),
    Meaning(Kind.SUCCEEDED, "Unknown", f"{PENDING}, Accepted, Analysing, Running, {SUSPENDED}", "the state in one word: the column State"),
    Meaning(Kind.SUCCEEDED, "True", COMPLETED, "the end of a job that completed"),
    Meaning(Kind.SUCCEEDED, "False", f"{FAILED}, {CANCELLED}", "the end of one that did not"),
)

SCHEDULE_MEANINGS: tuple[Meaning, ...] = (
    Meaning(READY, "True", SCHEDULED, "the next time is in nextScheduleTime"),
    Meaning(READY, "True", WAITING, "a time has come, and with concurrencyPolicy Forbid its job waits for the one before"),
    Meaning(READY, "False", SUSPENDED, "no job is started"),
    Meaning(READY, "False", INVALID_SCHEDULE, "the expression or the time zone can't be understood, or names no time"),
    Meaning(READY, "False", INVALID_SPEC, "the operator can't read the spec"),
)


def reason_of(code: str | None) -> str:
    """A code of the REST API as Kubernetes spells reasons: `unknown_dataset` is `UnknownDataset`."""
    return "".join(word.capitalize() for word in (code or "").split("_")) or UNKNOWN
