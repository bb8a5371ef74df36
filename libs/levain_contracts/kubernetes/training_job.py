"""TrainingJob: one training of a dataset's products, as applied (spec) and as seen (status)."""

from typing import Annotated

from pydantic import Field, model_validator

from levain_contracts.events import MAX_FAILURES
from levain_contracts.kubernetes.base import Conditions, Generation, KubernetesModel, Time
from levain_contracts.model import Code, Count, Id, Message, Name, Percent
from levain_contracts.reading import Columns, CutOverHour, DateFormat, DecimalMark, Layout, ReadingOptions, TimeZone
from levain_contracts.resources import (
    DEFAULT_HORIZON_DAYS,
    DEFAULT_MODEL,
    Country,
    DatasetRef,
    DeadlineSeconds,
    HorizonDays,
    JobSpec,
    SelectedProducts,
    Subdivision,
    Uri,
    check_place,
)

KIND = "TrainingJob"
PLURAL = "trainingjobs"
SHORT_NAME = "tj"
MAX_TTL_SECONDS = 365 * 24 * 3600
MAX_ETA_SECONDS = 10 * 365 * 24 * 3600
CHANGEABLE = ("suspend", "ttlSecondsAfterFinished")  # the rest of a spec never changes: a job is one training of one thing

TtlSeconds = Annotated[int, Field(ge=0, le=MAX_TTL_SECONDS)]


class Dataset(DatasetRef):
    name: Id | None = Field(None, description="An uploaded dataset of the namespace's tenant; its latest version is taken.")
    uri: Uri | None = Field(None, description="A file below a prefix that the training service allows for the tenant: https, s3 or file.")


class FileColumns(Columns):
    date: Name | None = Field(None, description="The column of the day; found by its usual names when not given.")
    product: Name | None = Field(None, description="The column of the product's name.")
    quantity: Name | None = Field(None, description="The column of the number sold.")
    shop: Name | None = Field(None, description="The column of the shop; without one, all sales are of one shop.")


class Reading(KubernetesModel):
    columns: FileColumns | None = Field(None, description="The file's own names for our columns.")
    date_format: DateFormat | None = Field(
        None, description="A strptime pattern such as %d/%m/%Y; inferred from the whole column otherwise."
    )
    decimal: DecimalMark | None = Field(None, description="The mark before decimals; inferred otherwise.")
    layout: Layout | None = Field(
        None,
        description="long (the default): a row per day and product. day_columns: a row per product and a column per day. "
        "product_columns: a row per day and a column per product.",
    )
    time_zone: TimeZone | None = Field(
        None, description="Times with an offset are converted to this zone, such as Europe/Paris; as written otherwise."
    )
    cut_over_hour: CutOverHour | None = Field(None, description="A sale before this hour belongs to the day before; 0 when not given.")


class TrainingJobSpec(KubernetesModel):
    """Nothing in it names code, an image, an account or a tenant: creating one must not be code execution."""

    dataset: Dataset = Field(description="What to learn from. Exactly one of name and uri.")
    products: SelectedProducts | None = Field(None, description="Names or ids of the products to train; all when not given.")
    horizon_days: HorizonDays = Field(DEFAULT_HORIZON_DAYS, description="How many days to forecast.")
    model: Code = Field(DEFAULT_MODEL, description="The trainer. auto lets the service choose.")
    max_failed_products: Count | None = Field(None, description="The job fails when more products than this fail; no limit when not given.")
    active_deadline_seconds: DeadlineSeconds | None = Field(
        None, description="The job fails when it runs longer; time in which it is suspended does not count."
    )
    reading: Reading | None = Field(None, description="How the file is to be read, where its content does not say it.")
    country: Country | None = Field(None, description="Whose public holidays count, as ISO 3166-1 alpha-2, such as DE.")
    subdivision: Subdivision | None = Field(None, description="The part of the country, as ISO 3166-2 without the country, such as BY.")
    calendar: Id | None = Field(
        None, description="An uploaded dataset of closings, openings and labelled days: date, status (open or closed), label."
    )
    suspend: bool = Field(False, description="No more work is handed out while true; products that ended are kept. May be changed.")
    ttl_seconds_after_finished: TtlSeconds | None = Field(
        None, description="The resource is deleted so long after its end, its forecasts are not; kept when not given. May be changed."
    )

    @model_validator(mode="after")
    def _of_a_country(self) -> "TrainingJobSpec":
        check_place(self.country, self.subdivision)
        return self


class ProgressStatus(KubernetesModel):
    percent: Percent = Field(description="Never goes back. 100 only when the job completed.")
    completed: Count = Field(description="Products that ended, trained or failed.")
    failed: Count = Field(description="Products that ended without a forecast.")
    total: Count | None = Field(None, description="Products in all, known once the data is analysed.")
    display: Annotated[str, Field(max_length=20)] = Field("", description="Completed of total, for people.")
    eta_seconds: Annotated[int, Field(ge=0, le=MAX_ETA_SECONDS)] | None = Field(
        None, description="Estimated seconds from lastUpdateTime to the end; none before 10 products or 5 % have ended."
    )
    last_update_time: Time = Field(description="When the progress last moved.")


class FailureStatus(KubernetesModel):
    product_id: Id = Field(description="The product's id at the training service.")
    product: Name = Field(description="Its name.")
    shop: Name | None = Field(None, description="Its shop, where the dataset has shops.")
    reason: Code = Field(description="Why it has no forecast, as a code.")
    message: Message = Field("", description="Why, for people.")


class TrainingJobStatus(KubernetesModel):
    observed_generation: Generation | None = Field(None, description="The metadata.generation that this status speaks of.")
    job_id: Id | None = Field(None, description="The job's id at the training service: this resource's UID.")
    tenant_id: Id | None = Field(None, description="For whom it runs: the namespace's label levain.dev/tenant, else the namespace's name.")
    start_time: Time | None = Field(None, description="When the training service began.")
    completion_time: Time | None = Field(None, description="When the job ended, either way.")
    conditions: Conditions = Field((), description="Accepted, Suspended, Complete, Failed, and the summary Succeeded.")
    progress: ProgressStatus | None = Field(None, description="How far it is.")
    failures: Annotated[tuple[FailureStatus, ...], Field(max_length=MAX_FAILURES)] = Field(
        (), description="The first products without a forecast."
    )
    stream_url: Uri | None = Field(None, description="Where its products can be watched live (WebSocket, with a token of the tenant).")


def to_job_spec(spec: TrainingJobSpec) -> JobSpec:
    """What the training service is asked for."""
    reading = spec.reading or Reading()
    return JobSpec(
        dataset=DatasetRef(name=spec.dataset.name, uri=spec.dataset.uri),
        products=spec.products,
        horizon_days=spec.horizon_days,
        model=spec.model,
        max_failed_products=spec.max_failed_products,
        active_deadline_seconds=spec.active_deadline_seconds,
        reading=ReadingOptions(
            columns=Columns(**dict(reading.columns)) if reading.columns is not None else Columns(),
            date_format=reading.date_format,
            decimal=reading.decimal,
            layout=reading.layout or Layout.LONG,
            time_zone=reading.time_zone,
            cut_over_hour=reading.cut_over_hour or 0,
        ),
        country=spec.country,
        subdivision=spec.subdivision,
        calendar=spec.calendar,
    )
