"""What the REST API takes and gives."""

from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import Field, model_validator

from levain_contracts.claims import Role
from levain_contracts.events import Failures
from levain_contracts.frames import Stage
from levain_contracts.jobs import JobState, ProductState
from levain_contracts.model import Code, Count, Id, Message, Name, Percent, Resource, Seq, camel
from levain_contracts.reading import ReadingOptions
from levain_contracts.report import DataReport
from levain_contracts.tasks import MAX_HORIZON_DAYS, Forecast, Scores, Series

DEFAULT_HORIZON_DAYS = 14
DEFAULT_MODEL = "auto"
MAX_ACTIVE_DEADLINE_SECONDS = 7 * 24 * 3600
MAX_SELECTED_PRODUCTS = 10_000

Uri = Annotated[str, Field(min_length=1, max_length=2000)]
SelectedProducts = Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_SELECTED_PRODUCTS)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", max_length=2)]
Subdivision = Annotated[str, Field(pattern=r"^[A-Za-z0-9À-ɏ ()'.-]+$", max_length=40)]
HorizonDays = Annotated[int, Field(ge=1, le=MAX_HORIZON_DAYS)]
ServiceLevel = Annotated[float, Field(gt=0, lt=1)]
DeadlineSeconds = Annotated[int, Field(ge=1, le=MAX_ACTIVE_DEADLINE_SECONDS)]


def check_place(country: str | None, subdivision: str | None) -> None:
    if subdivision is not None and country is None:
        raise ValueError("a subdivision needs its country")


class DatasetRef(Resource):
    """Exactly one: the `name` of an uploaded dataset (its latest version is taken) or a `uri` below an allowed prefix."""

    name: Id | None = None
    uri: Uri | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "DatasetRef":
        if (self.name is None) == (self.uri is None):
            raise ValueError("give exactly one of name and uri")
        return self


class JobSpec(Resource):
    """What to train. `products`: names or product ids; None means all of them.

    `country` (ISO 3166-1 alpha-2) and `subdivision` say which days are public holidays. `calendar`: the name of an uploaded dataset
    of closings, openings and labelled days (date, status, label); its latest version is taken when the sales are read.
    A field may be written as here or in camel case, as in the TrainingJob resource.
    """

    dataset: DatasetRef
    products: SelectedProducts | None = None
    horizon_days: HorizonDays = Field(DEFAULT_HORIZON_DAYS, validation_alias=camel("horizon_days"))
    model: Code = DEFAULT_MODEL
    max_failed_products: Count | None = Field(None, validation_alias=camel("max_failed_products"))
    active_deadline_seconds: DeadlineSeconds | None = Field(None, validation_alias=camel("active_deadline_seconds"))
    reading: ReadingOptions = ReadingOptions()
    country: Country | None = None
    subdivision: Subdivision | None = None
    calendar: Id | None = None

    @model_validator(mode="after")
    def _of_a_country(self) -> "JobSpec":
        check_place(self.country, self.subdivision)
        return self


class Job(Resource):
    """One job as the store has it. `seq` numbers its changes; `progress` is percent.

    `started_by`: the role of the token that started it, None where that was not written down.
    """

    job_id: Id
    tenant_id: Id
    spec: JobSpec
    state: JobState
    stage: Stage
    suspended: bool
    progress: Percent
    seq: Seq
    products_completed: Count
    products_failed: Count
    total_products: Count | None
    failures: Failures = ()
    reason: Code | None = None
    message: Message | None = None
    retry_of: Id | None = None
    started_by: Role | None = None
    report: DataReport | None = None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    updated_at: datetime


class Product(Resource):
    """One product of a job. `seq` is the number of its end."""

    product_id: Id
    product: Name
    shop: Name | None
    status: ProductState
    seq: Seq | None = None
    reason: Code | None = None
    message: Message | None = None
    scores: Scores | None = None


class ProductDetail(Product):
    """One product of a job with its sales. `history` is None where there is too little of it to learn from."""

    history: Series | None = None
    forecast: Forecast | None = None


class ProductForecast(Resource):
    """The newest forecast that there is. `age_seconds` counts from the end of the job that made it.

    `quantity`: for the `service_level` that was asked for, units that cover each day's demand with this probability.
    """

    product_id: Id
    product: Name
    shop: Name | None
    job_id: Id
    trained_at: datetime
    age_seconds: Annotated[float, Field(ge=0)]
    forecast: Forecast
    scores: Scores
    service_level: ServiceLevel | None = None
    quantity: list[float] | None = None


class ForecastSource(Resource):
    """A product that has a forecast."""

    product_id: Id
    product: Name
    shop: Name | None
    job_id: Id
    trained_at: datetime


class Dataset(Resource):
    """One version of a dataset. Versions start at 1 and never change."""

    name: Id
    version: Annotated[int, Field(ge=1)]
    sha256: str
    size_bytes: Annotated[int, Field(ge=0)]
    created_at: datetime


Item = TypeVar("Item")


class Page(Resource, Generic[Item]):
    """`next` is the `after` of the following page; None on the last."""

    items: list[Item]
    next: str | None = None


class ProductPage(Page[Product]):
    """`seq` is the job's: the answer names all ends up to it that come after the `after_seq` of the question."""

    seq: Seq


class Changes(Resource):
    """Jobs of all tenants that changed. `cursor` is the `changed_after` of the following question; `more`: ask it at once.

    Answers overlap by some seconds, so that a job may come again unchanged.
    """

    items: list[Job]
    cursor: str
    more: bool


class FieldError(Resource):
    field: str
    message: str


class Problem(Resource):
    """RFC 9457. `code` is stable and names the row of docs/errors.md; `type` is `urn:levain:problem:<code>`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] = Field(default_factory=list)
