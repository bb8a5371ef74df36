"""The five events of a job and their codec: CloudEvents 1.0, structured JSON."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, ValidationError, field_validator

from levain_contracts.model import MAX_SEQ, Code, Count, Id, Message, Name, Percent, Seq, Wire
from levain_contracts.report import DataReport

CONTENT_TYPE = "application/cloudevents+json"
MAX_FAILURES = 20
_SEQUENCE_DIGITS = 16  # 2**53 has 16


class EventType(StrEnum):
    STARTED = "training.started"
    PROGRESS = "training.progress"
    PRODUCT_COMPLETED = "training.product.completed"
    COMPLETED = "training.completed"
    FAILED = "training.failed"


TERMINAL = frozenset({EventType.COMPLETED, EventType.FAILED})


class ProductFailure(Wire):
    """Why one product has no forecast. `seq` is that of the product's end and orders a job's failures."""

    product_id: Id
    product: Name
    shop: Name | None = None
    seq: Seq
    reason: Code
    message: Message = ""


Failures = Annotated[tuple[ProductFailure, ...], Field(max_length=MAX_FAILURES)]


class StartedData(Wire):
    total_products: Count | None = None


class AnalysisData(Wire):
    step: Literal["data_analysis"] = "data_analysis"
    total_products: Count
    report: DataReport


class ProductData(Wire):
    product_id: Id
    product: Name
    shop: Name | None = None
    status: Literal["trained", "failed"]
    reason: Code | None = None
    message: Message | None = None
    products_completed: Count
    products_failed: Count
    total_products: Count


class CompletedData(Wire):
    successful: Count
    failed: Count
    total_products: Count
    duration_seconds: Annotated[float, Field(ge=0, le=1e9)]
    failures: Failures = ()


class FailedData(Wire):
    """`reason` is `cancelled` for a cancelled job, whose state is `cancelled` and not `failed`."""

    reason: Code
    message: Message
    successful: Count
    failed: Count
    total_products: Count | None = None
    duration_seconds: Annotated[float, Field(ge=0, le=1e9)]
    failures: Failures = ()


EventData = StartedData | AnalysisData | ProductData | CompletedData | FailedData

DATA_OF: dict[EventType, type[EventData]] = {
    EventType.STARTED: StartedData,
    EventType.PROGRESS: AnalysisData,
    EventType.PRODUCT_COMPLETED: ProductData,
    EventType.COMPLETED: CompletedData,
    EventType.FAILED: FailedData,
}


class Event(NamedTuple):
    """What happened to one job. `seq` grows by one with each event of the job (suspend and resume take a number too)."""

    tenant_id: str
    job_id: str
    seq: int
    time: datetime
    progress: int
    data: EventData

    @property
    def type(self) -> EventType:
        return TYPE_OF[type(self.data)]

    @property
    def terminal(self) -> bool:
        return self.type in TERMINAL


TYPE_OF: dict[type[EventData], EventType] = {data: kind for kind, data in DATA_OF.items()}


class _Envelope(Wire):
    id: Annotated[str, Field(max_length=100)]
    source: Annotated[str, Field(max_length=120)]
    specversion: Literal["1.0"] = "1.0"
    type: Annotated[str, Field(max_length=100)]
    time: datetime
    subject: Id
    datacontenttype: Literal["application/json"] = "application/json"
    tenantid: Id
    sequence: Annotated[str, Field(pattern=r"^[0-9]{1,16}$")]
    progress: Percent

    @field_validator("time")
    @classmethod
    def _aware(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("a time needs an offset")
        try:
            return value.astimezone(UTC)
        except OverflowError:  # the first or last day of the calendar
            raise ValueError("a time must be a date in UTC too") from None

    @field_validator("sequence")
    @classmethod
    def _exact_everywhere(cls, value: str) -> str:
        if int(value) > MAX_SEQ:
            raise ValueError("a sequence must not exceed 2**53 - 1")
        return value


class _Typed(Wire):
    type: str


ENVELOPES: dict[EventType, type[_Envelope]] = {
    kind: type(f"{data.__name__}Envelope", (_Envelope,), {"__annotations__": {"data": data}, "__module__": __name__})
    for kind, data in DATA_OF.items()
}


_KNOWN_TYPES = frozenset(kind.value for kind in EventType)


class UnreadableEvent(ValueError):
    """The body is no event of ours: not JSON, a field missing or out of its bounds."""


class Decoded(NamedTuple):
    """`event` is None for a type that this version does not know; `unknown_fields` says that some were skipped."""

    event: Event | None
    unknown_fields: bool = False


def event_id(job_id: str, seq: int) -> str:
    return f"{job_id}:{seq}"


def encode(event: Event) -> bytes:
    """Raises `pydantic.ValidationError` where a field is out of its bounds: a producer is strict."""
    envelope = ENVELOPES[event.type](
        id=event_id(event.job_id, event.seq),
        source=f"/tenants/{event.tenant_id}/training",
        type=event.type.value,
        time=event.time,
        subject=event.job_id,
        tenantid=event.tenant_id,
        sequence=str(event.seq).zfill(_SEQUENCE_DIGITS),
        progress=event.progress,
        data=event.data,  # type: ignore[call-arg]  # added to each class by the table above
    )
    return envelope.model_dump_json().encode()


def decode(body: bytes) -> Decoded:
    """Skips unknown types and fields and says so. Raises `UnreadableEvent`."""
    try:
        kind = _Typed.model_validate_json(body, extra="ignore").type
        if kind not in _KNOWN_TYPES:
            return Decoded(None)
        model = ENVELOPES[EventType(kind)]
        try:
            return Decoded(_event(model.model_validate_json(body)))
        except ValidationError:
            return Decoded(_event(model.model_validate_json(body, extra="ignore")), unknown_fields=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UnreadableEvent(f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}") from error


def _event(envelope: _Envelope) -> Event:
    data: EventData = envelope.data  # type: ignore[attr-defined]
    return Event(envelope.tenantid, envelope.subject, int(envelope.sequence), envelope.time, envelope.progress, data)
