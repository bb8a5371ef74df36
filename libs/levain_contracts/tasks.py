"""Work and results on the broker: a batch of daily series out, one result per product back. No pickle anywhere."""

from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, JsonValue, ValidationError, model_validator

from levain_contracts.ids import MAX_REQUEST_ID_CHARS, REQUEST_ID_PATTERN
from levain_contracts.model import Code, Id, Message, Name, Wire

MAX_BATCH_PRODUCTS = 256
MAX_BATCH_BYTES = 4 * 1024 * 1024
MAX_HORIZON_DAYS = 365
MAX_HISTORY_DAYS = 20_000

BatchNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
RequestId = Annotated[str, Field(pattern=REQUEST_ID_PATTERN, max_length=MAX_REQUEST_ID_CHARS)]
Units = Annotated[float, Field(ge=-1e12, le=1e12)]
Score = Annotated[float, Field(ge=-1e6, le=1e6)]


class Series(Wire):
    """One product's sales by day from `start` on; None where nothing is known (a closed day, or a gap)."""

    product_id: Id
    product: Name
    shop: Name | None = None
    start: date
    values: Annotated[list[Units | None], Field(max_length=MAX_HISTORY_DAYS)]


class MarkedDay(Wire):
    """A public holiday, or a day that the tenant's calendar names."""

    date: date
    label: Name


Days = Annotated[list[date], Field(max_length=MAX_HISTORY_DAYS)]


class ShopCalendar(Wire):
    """What is known of a shop's days.

    `closed`: between its first and its last sale the whole shop sold nothing. `given_closed` and `given_open`: what the tenant's
    calendar says, of the days to come as well; a past day of `given_closed` has no sales. `holidays`: from the first day of history
    to the end of the horizon, in order; a day may have several labels.
    """

    shop: Name | None = None
    closed: Days = Field(default_factory=list)
    given_closed: Days = Field(default_factory=list)
    given_open: Days = Field(default_factory=list)
    holidays: Annotated[list[MarkedDay], Field(max_length=MAX_HISTORY_DAYS)] = Field(default_factory=list)


class TrainingTask(Wire):
    """A batch. `alone` marks the second chance of a product whose worker or child process died.

    `request_id` names the request that started the job, for logs; None where a version before this one wrote the job or the task.
    """

    tenant_id: Id
    job_id: Id
    request_id: RequestId | None = None
    batch: BatchNumber
    alone: bool = False
    model: Code
    horizon_days: Annotated[int, Field(ge=1, le=MAX_HORIZON_DAYS)]
    dataset_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    forecast_start: date
    calendars: Annotated[list[ShopCalendar], Field(max_length=MAX_BATCH_PRODUCTS)] = Field(default_factory=list)
    series: Annotated[list[Series], Field(min_length=1, max_length=MAX_BATCH_PRODUCTS)]


DayUnits = Annotated[list[Units], Field(min_length=1, max_length=MAX_HORIZON_DAYS)]


class Forecast(Wire):
    """Units per day from `start` on, one entry a day in each list.

    `lo80` and `hi80` are the 10 % and 90 % quantiles of a day's sales, and `q25`, `q50`, `q75` those between. Workers always send
    these three; forecasts of version 0.1 have none.
    """

    start: date
    mean: DayUnits
    lo80: DayUnits
    hi80: DayUnits
    q25: DayUnits | None = None
    q50: DayUnits | None = None
    q75: DayUnits | None = None

    @model_validator(mode="after")
    def _same_days(self) -> "Forecast":
        quartiles = (self.q25, self.q50, self.q75)
        given = [days for days in quartiles if days is not None]
        if len(given) not in (0, len(quartiles)):
            raise ValueError("q25, q50 and q75 come together or not at all")
        if len(set(map(len, (self.mean, self.lo80, self.hi80, *given)))) > 1:
            raise ValueError("mean, lo80, hi80, q25, q50 and q75 need one entry a day each")
        return self


class Scores(Wire):
    """Out of sample. A score that has no value is None, and `undefined` says why, by the score's name."""

    wape: Score | None = None
    mase: Score | None = None
    bias: Score | None = None
    coverage80: Score | None = None
    naive_wape: Score | None = None
    naive_mase: Score | None = None
    test_days: Annotated[int, Field(ge=0, le=MAX_HISTORY_DAYS)] = 0
    undefined: dict[str, Code] = Field(default_factory=dict)


class TrainedProduct(Wire):
    kind: Literal["trained"] = "trained"
    product_id: Id
    forecast: Forecast
    scores: Scores
    model: dict[str, JsonValue]
    train_seconds: Annotated[float, Field(ge=0, le=1e6)]


class FailedProduct(Wire):
    kind: Literal["failed"] = "failed"
    product_id: Id
    reason: Code
    message: Message
    train_seconds: Annotated[float, Field(ge=0, le=1e6)] = 0.0


ProductResult = Annotated[TrainedProduct | FailedProduct, Field(discriminator="kind")]


class ResultChunk(Wire):
    """Results of one batch, in the order in which the products ended."""

    tenant_id: Id
    job_id: Id
    batch: BatchNumber
    results: Annotated[list[ProductResult], Field(min_length=1, max_length=MAX_BATCH_PRODUCTS)]


M = TypeVar("M", bound=Wire)


class UnreadableWork(ValueError):
    """The body is no task or result of ours."""


def encode(message: TrainingTask | ResultChunk) -> bytes:
    return message.model_dump_json().encode()


def decode_task(body: bytes) -> TrainingTask:
    """Skips unknown fields. Raises `UnreadableWork`."""
    return _decode(TrainingTask, body)


def decode_results(body: bytes) -> ResultChunk:
    """Skips unknown fields. Raises `UnreadableWork`."""
    return _decode(ResultChunk, body)


def _decode(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body, extra="ignore")
    except ValidationError as error:
        raise UnreadableWork(complaint(error)) from error


def complaint(error: ValidationError) -> str:
    """Its first error with the field's place."""
    first: Any = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}"
