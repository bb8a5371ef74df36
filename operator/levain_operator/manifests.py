"""What is sent to the API server, as plain data."""

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

from levain_contracts.kubernetes import training_job, training_schedule
from levain_contracts.kubernetes.base import API_VERSION, GROUP, time_text
from levain_contracts.kubernetes.training_job import TrainingJobSpec, TrainingJobStatus
from levain_contracts.kubernetes.training_schedule import TrainingScheduleStatus
from levain_operator.actions import CreateTrainingJob, EmitEvent

Json = dict[str, Any]

COMPONENT = "levain-operator"
FIELD_MANAGER = COMPONENT
SCHEDULE_LABEL = f"{GROUP}/schedule"
SCHEDULED_AT = f"{GROUP}/scheduled-at"
_MAX_EVENT_MESSAGE_CHARS = 1024  # what the API server takes
_MAX_EVENT_NAME_CHARS = 253


class Ref(NamedTuple):
    """One resource of ours, by all that tells it from its namesakes."""

    kind: str
    namespace: str
    name: str
    uid: str

    def identity(self) -> Json:
        return {"apiVersion": API_VERSION, "kind": self.kind, "name": self.name, "uid": self.uid}


def job_ref(namespace: str, name: str, uid: str) -> Ref:
    return Ref(training_job.KIND, namespace, name, uid)


def schedule_ref(namespace: str, name: str, uid: str) -> Ref:
    return Ref(training_schedule.KIND, namespace, name, uid)


def status_patch(ref: Ref, status: TrainingJobStatus | TrainingScheduleStatus) -> Json:
    """For server-side apply to `/status`. The UID makes it fail with 409 where another resource has the name by now."""
    metadata = {"name": ref.name, "namespace": ref.namespace, "uid": ref.uid}
    return {"apiVersion": API_VERSION, "kind": ref.kind, "metadata": metadata, "status": status.wire()}


def child_job(schedule: Ref, action: CreateTrainingJob, spec: TrainingJobSpec) -> Json:
    """Deleted with its schedule, in the background: an owner that blocks would need a right to its finalizers."""
    return {
        "apiVersion": API_VERSION,
        "kind": training_job.KIND,
        "metadata": {
            "name": action.name,
            "namespace": schedule.namespace,
            "labels": {SCHEDULE_LABEL: schedule.name},
            "annotations": {SCHEDULED_AT: time_text(action.scheduled_at)},
            "ownerReferences": [schedule.identity() | {"controller": True}],
        },
        "spec": spec.wire(),
    }


def event(about: Ref, emitted: EmitEvent, at: datetime) -> Json:
    """Named by what it says, so that the same one sent twice is one."""
    said = "\0".join((about.uid, emitted.reason, emitted.message, time_text(at)))
    suffix = "." + hashlib.sha256(said.encode()).hexdigest()[:16]
    time = time_text(at)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": about.name[: _MAX_EVENT_NAME_CHARS - len(suffix)].rstrip(".-") + suffix, "namespace": about.namespace},
        "involvedObject": about.identity() | {"namespace": about.namespace},
        "type": emitted.type,
        "reason": emitted.reason,
        "message": emitted.message[:_MAX_EVENT_MESSAGE_CHARS],
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }


def delete_options(uid: str) -> Json:
    return {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}, "propagationPolicy": "Background"}
