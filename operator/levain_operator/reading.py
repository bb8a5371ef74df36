"""Resources as the API server gives them, read so that nothing in them can stop the operator."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from levain_contracts.kubernetes import training_schedule
from levain_contracts.kubernetes.base import MAX_CONDITIONS, Condition, KubernetesModel, Time
from levain_contracts.kubernetes.training_job import TrainingJobSpec, TrainingJobStatus
from levain_contracts.kubernetes.training_schedule import TrainingScheduleSpec, TrainingScheduleStatus
from levain_contracts.model import clip
from levain_operator.children import Child, Outcome, time_of
from levain_operator.conditions import is_true
from levain_operator.observed import Presence, Unreadable
from levain_operator.reasons import Kind

Spec = TypeVar("Spec", bound=KubernetesModel)
Status = TypeVar("Status", TrainingJobStatus, TrainingScheduleStatus)
_TIME = TypeAdapter(Time)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """`owner_uid`: of the TrainingSchedule that made it, if one did."""

    uid: str
    namespace: str
    name: str
    generation: int
    presence: Presence
    created_at: datetime
    owner_uid: str | None


def read_identity(body: Mapping[str, Any]) -> Identity:
    """The API server vouches for metadata: KeyError where this is no resource at all."""
    metadata = body["metadata"]
    owners = [o for o in metadata.get("ownerReferences") or () if o.get("controller") and o.get("kind") == training_schedule.KIND]
    return Identity(
        uid=metadata["uid"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        generation=int(metadata.get("generation", 0)),
        presence=Presence.DELETING if metadata.get("deletionTimestamp") else Presence.THERE,
        created_at=_TIME.validate_python(metadata["creationTimestamp"]),
        owner_uid=owners[0]["uid"] if owners else None,
    )


def read_job_spec(body: Mapping[str, Any]) -> TrainingJobSpec | Unreadable:
    return _spec(TrainingJobSpec, body)


def read_schedule_spec(body: Mapping[str, Any]) -> TrainingScheduleSpec | Unreadable:
    return _spec(TrainingScheduleSpec, body)


def read_job_status(body: Mapping[str, Any]) -> TrainingJobStatus:
    return _status(TrainingJobStatus, body)


def read_schedule_status(body: Mapping[str, Any]) -> TrainingScheduleStatus:
    return _status(TrainingScheduleStatus, body)


def read_child(body: Mapping[str, Any]) -> Child | None:
    """A TrainingJob as its schedule sees it; None where its name holds no time."""
    identity, status = read_identity(body), read_job_status(body)
    scheduled_at = time_of(identity.name)
    if scheduled_at is None:
        return None
    outcome = Outcome.ACTIVE
    if is_true(status.conditions, Kind.FAILED):
        outcome = Outcome.FAILED
    elif is_true(status.conditions, Kind.COMPLETE):
        outcome = Outcome.COMPLETED
    deleting = identity.presence is Presence.DELETING
    return Child(identity.name, identity.uid, scheduled_at, outcome, status.completion_time, deleting)


def _spec(model: type[Spec], body: Mapping[str, Any]) -> Spec | Unreadable:
    try:
        return model.model_validate(body.get("spec"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return Unreadable(clip(f"spec.{'.'.join(map(str, first['loc']))}: {first['msg']}"))


def _status(model: type[Status], body: Mapping[str, Any]) -> Status:
    """What can be read of it: an end stays an end, whatever else someone wrote there."""
    raw = body.get("status")
    if not isinstance(raw, Mapping):
        return model()
    try:
        return model.model_validate(raw)
    except ValidationError:
        kept = {name: value for name, value in raw.items() if name != "conditions" and _is_readable(model, {name: value})}
        return model.model_validate(kept | {"conditions": _conditions(raw.get("conditions"))})


def _conditions(raw: Any) -> list[Condition]:
    readable = [c for c in raw if _is_readable(Condition, c)] if isinstance(raw, list) else []
    return [Condition.model_validate(c) for c in readable[:MAX_CONDITIONS]]


def _is_readable(model: type[KubernetesModel], value: Any) -> bool:
    try:
        model.model_validate(value)
    except ValidationError:
        return False
    return True
