"""What a viewer receives: one JSON text frame an event, and the snapshot that always comes first."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, create_model

from levain_contracts.events import DATA_OF, Event, EventType, Failures
from levain_contracts.jobs import JobState
from levain_contracts.model import Code, Count, Id, Message, Percent, Seq, Wire

PROTOCOL = "levain.v1"
BEARER_PROTOCOL_PREFIX = "levain.bearer."
MAX_CLIENT_MESSAGE_BYTES = 4096


class FrameType(StrEnum):
    SNAPSHOT = "snapshot"
    STARTED = "started"
    PROGRESS = "progress"
    PRODUCT_COMPLETED = "product_completed"
    COMPLETED = "completed"
    FAILED = "failed"


class Stage(StrEnum):
    """How far a job is, in order."""

    STARTED = "started"
    ANALYSING = "analysing"
    TRAINING = "training"
    DONE = "done"


FRAME_OF: dict[EventType, FrameType] = {
    EventType.STARTED: FrameType.STARTED,
    EventType.PROGRESS: FrameType.PROGRESS,
    EventType.PRODUCT_COMPLETED: FrameType.PRODUCT_COMPLETED,
    EventType.COMPLETED: FrameType.COMPLETED,
    EventType.FAILED: FrameType.FAILED,
}


class SnapshotData(Wire):
    """The job as the store has it. `reason` and `message` are there when it failed or was cancelled."""

    state: JobState
    stage: Stage
    suspended: bool
    products_completed: Count
    products_failed: Count
    total_products: Count | None
    failures: Failures = ()
    reason: Code | None = None
    message: Message | None = None


class Frame(Wire):
    """`data` is that of the event (`levain_contracts.events`) or, in a snapshot, `SnapshotData`."""

    type: FrameType
    job_id: Id
    tenant_id: Id
    seq: Seq
    time: datetime
    progress: Percent
    data: dict[str, JsonValue]

    @property
    def terminal(self) -> bool:
        return self.type in (FrameType.COMPLETED, FrameType.FAILED)


FRAME_DATA: dict[FrameType, type[Wire]] = {FrameType.SNAPSHOT: SnapshotData} | {FRAME_OF[kind]: data for kind, data in DATA_OF.items()}
_DATA_CHECKS = {kind: create_model(f"{data.__name__}Check", __base__=Wire, data=(data, ...)) for kind, data in FRAME_DATA.items()}

PONG = '{"type":"pong"}'


class Ping(Wire):
    type: Literal["ping"]


class Pong(Wire):
    type: Annotated[Literal["pong"], Field()] = "pong"


def frame(event: Event) -> Frame:
    return _frame(FRAME_OF[event.type], event.tenant_id, event.job_id, event.seq, event.time, event.progress, event.data)


def snapshot(tenant_id: str, job_id: str, seq: int, time: datetime, progress: int, data: SnapshotData) -> Frame:
    return _frame(FrameType.SNAPSHOT, tenant_id, job_id, seq, time, progress, data)


def _frame(kind: FrameType, tenant_id: str, job_id: str, seq: int, time: datetime, progress: int, data: Wire) -> Frame:
    body: dict[str, Any] = data.model_dump(mode="json")
    return Frame(type=kind, job_id=job_id, tenant_id=tenant_id, seq=seq, time=time.astimezone(UTC), progress=progress, data=body)


def encode(frame: Frame) -> bytes:
    return frame.model_dump_json().encode()


def decode(text: str | bytes) -> Frame | None:
    """None for a type that this version does not know, or a text that is no frame; unknown fields are skipped.

    The `data` of a frame from here has every field that its type promises.
    """
    try:
        decoded = Frame.model_validate_json(text, extra="ignore")
        _DATA_CHECKS[decoded.type].model_validate_json(text, extra="ignore")
    except ValueError:
        return None
    return decoded
