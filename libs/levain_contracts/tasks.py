"""Work and results on the broker: a batch of daily series out, one result per product back. No pickle anywhere."""

from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, JsonValue, ValidationError, model_validator

from levain_contracts.model import Code, Id, Message, Name, Wire

MAX_BATCH_PRODUCTS = 256
MAX_BATCH_BYTES = 4 * 1024 * 1024
MAX_HORIZON_DAYS = 365
MAX_HISTORY_DAYS = 20_000

BatchNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
Units = Annotated[float, Field(ge=-1e12, le=1e12)]
Score = Annotated[float, Field(ge=-1e6, le=1e6)]


class Series(Wire):
    """One product's sales by day from `start` on; None where nothing is known (a closed day, or a gap)."""

    product_id: Id
    product: Name
    shop: Name | None = None
    start: date
    values: Annotated[list[Units | None], Field(max_length=MAX_HISTORY_DAYS)]


class ShopCalendar(Wire):
    """Days on which a whole shop sold nothing between its first and its last sale."""

    shop: Name | None = None
    closed: Annotated[list[date], Field(max_length=MAX_HISTORY_DAYS)] = Field(default_factory=list)


class TrainingTask(Wire):
    """A batch. `alone` marks the second chance of a product whose worker or child process died."""

    tenant_id: Id
    job_id: Id
    batch: BatchNumber
    alone: bool = False
    model: Code
    horizon_days: Annotated[int, Field(ge=1, le=MAX_HORIZON_DAYS)]
    dataset_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    forecast_start: date
    calendars: Annotated[list[ShopCalendar], Field(max_length=MAX_BATCH_PRODUCTS)] = Field(default_factory=list)
    series: Annotated[list[Series], Field(min_length=1, max_length=MAX_BATCH_PRODUCTS)]


class Forecast(Wire):
    """Units per day from `start` on, one entry a day in each list; the interval is meant to hold 80 % of the days."""

    start: date
    mean: Annotated[list[Units], Field(min_length=1, max_length=MAX_HORIZON_DAYS)]
    lo80: Annotated[list[Units], Field(min_length=1, max_length=MAX_HORIZON_DAYS)]
    hi80: Annotated[list[Units], Field(min_length=1, max_length=MAX_HORIZON_DAYS)]

    @model_validator(mode="after")
    def _same_days(self) -> "Forecast":
        if not len(self.mean) == len(self.lo80) == len(self.hi80):
            raise ValueError("mean, lo80 and hi80 need one entry a day each")
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
        first: Any = error.errors(include_url=False, include_input=False)[0]
        raise UnreadableWork(f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}") from error
