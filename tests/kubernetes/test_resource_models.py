"""The models of the two resources: what they take, what they refuse by name, and what becomes of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from pydantic import ValidationError
from tests.kubernetes.strategies import statuses

from levain_contracts.kubernetes.base import API_VERSION
from levain_contracts.kubernetes.training_job import KIND, TrainingJobSpec, TrainingJobStatus, to_job_spec
from levain_contracts.kubernetes.training_schedule import KIND as SCHEDULE_KIND
from levain_contracts.kubernetes.training_schedule import TrainingScheduleSpec
from levain_contracts.reading import Columns, ReadingOptions
from levain_contracts.resources import DatasetRef, JobSpec
from levain_operator.cron import parse

EXAMPLES = Path(__file__).parents[2] / "examples"
DATASET = {"dataset": {"name": "sales"}}
FULL: dict[str, Any] = {
    "dataset": {"uri": "s3://bakery/sales.csv"},
    "products": ["Brot", "Crème brûlée ✓"],
    "horizonDays": 7,
    "model": "ets",
    "maxFailedProducts": 0,
    "activeDeadlineSeconds": 60,
    "reading": {"columns": {"date": "Tag"}, "dateFormat": "%d.%m.%Y", "decimal": ","},
    "suspend": True,
    "ttlSecondsAfterFinished": 0,
}
BAD: list[tuple[str, dict[str, Any]]] = [
    ("dataset", {}),
    ("dataset", {"dataset": {}}),
    ("dataset", {"dataset": {"name": "a", "uri": "s3://a/b"}}),
    ("dataset.name", {"dataset": {"name": "Sales"}}),
    ("dataset.name", {"dataset": {"name": "a" * 64}}),
    ("dataset.uri", {"dataset": {"uri": ""}}),
    ("dataset.uri", {"dataset": {"uri": "x" * 2001}}),
    ("products", DATASET | {"products": []}),
    ("products", DATASET | {"products": ["x"] * 10_001}),
    ("products.0", DATASET | {"products": ["x" * 201]}),
    ("horizonDays", DATASET | {"horizonDays": 0}),
    ("horizonDays", DATASET | {"horizonDays": 366}),
    ("model", DATASET | {"model": "Auto"}),
    ("maxFailedProducts", DATASET | {"maxFailedProducts": -1}),
    ("activeDeadlineSeconds", DATASET | {"activeDeadlineSeconds": 0}),
    ("activeDeadlineSeconds", DATASET | {"activeDeadlineSeconds": 604_801}),
    ("ttlSecondsAfterFinished", DATASET | {"ttlSecondsAfterFinished": -1}),
    ("reading.decimal", DATASET | {"reading": {"decimal": ";"}}),
    ("reading.dateFormat", DATASET | {"reading": {"dateFormat": "x"}}),
    ("reading.columns.day", DATASET | {"reading": {"columns": {"day": "x"}}}),
    ("suspend", DATASET | {"suspend": "perhaps"}),
    ("image", DATASET | {"image": "evil"}),
    ("tenant", DATASET | {"tenant": "other"}),
    ("serviceAccountName", DATASET | {"serviceAccountName": "admin"}),
]


@pytest.mark.parametrize(("where", "spec"), BAD)
def test_a_bad_spec_is_refused_by_the_name_of_its_field(where: str, spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        TrainingJobSpec.model_validate(spec)
    assert ".".join(map(str, refused.value.errors()[0]["loc"])) == where


def test_a_spec_becomes_what_the_training_service_is_asked_for() -> None:
    assert to_job_spec(TrainingJobSpec.model_validate(FULL)) == JobSpec(
        dataset=DatasetRef(uri="s3://bakery/sales.csv"),
        products=("Brot", "Crème brûlée ✓"),
        horizon_days=7,
        model="ets",
        max_failed_products=0,
        active_deadline_seconds=60,
        reading=ReadingOptions(columns=Columns(date="Tag"), date_format="%d.%m.%Y", decimal=","),
    )


def test_a_spec_with_its_dataset_alone_has_the_same_defaults_on_both_ways() -> None:
    assert to_job_spec(TrainingJobSpec.model_validate(DATASET)) == JobSpec.model_validate(DATASET)


def test_every_field_of_a_job_spec_can_be_said_in_a_training_job() -> None:
    assert set(JobSpec.model_fields) <= set(TrainingJobSpec.model_fields)
    assert set(TrainingJobSpec.model_fields) - set(JobSpec.model_fields) == {"suspend", "ttl_seconds_after_finished"}


def test_a_spec_survives_the_wire() -> None:
    spec = TrainingJobSpec.model_validate(FULL)
    assert spec.wire() == FULL
    assert TrainingJobSpec.model_validate(spec.wire()) == spec


@given(statuses)
def test_a_status_survives_the_wire(status: TrainingJobStatus) -> None:
    assert TrainingJobStatus.model_validate(status.wire()) == status


BAD_SCHEDULES = [
    ("schedule", {"schedule": "@daily"}),
    ("schedule", {"schedule": "0 0 * *"}),
    ("schedule", {"schedule": "0 0 * * * *"}),
    ("schedule", {"schedule": "TZ=UTC 0 0 * *"}),
    ("schedule", {"schedule": "0  0 * * *"}),
    ("timeZone", {"timeZone": "../../etc/passwd"}),
    ("timeZone", {"timeZone": ""}),
    ("concurrencyPolicy", {"concurrencyPolicy": "Maybe"}),
    ("startingDeadlineSeconds", {"startingDeadlineSeconds": 0}),
    ("successfulJobsHistoryLimit", {"successfulJobsHistoryLimit": 101}),
    ("failedJobsHistoryLimit", {"failedJobsHistoryLimit": -1}),
    ("template.spec.dataset", {"template": {"spec": {}}}),
    ("template.metadata", {"template": {"spec": DATASET, "metadata": {}}}),
]


@pytest.mark.parametrize(("where", "change"), BAD_SCHEDULES)
def test_a_bad_schedule_is_refused_by_the_name_of_its_field(where: str, change: dict[str, Any]) -> None:
    good: dict[str, Any] = {"schedule": "0 3 * * *", "template": {"spec": DATASET}}
    TrainingScheduleSpec.model_validate(good)
    with pytest.raises(ValidationError) as refused:
        TrainingScheduleSpec.model_validate(good | change)
    assert ".".join(map(str, refused.value.errors()[0]["loc"])) == where


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    assert set(found) == {"apiVersion", "kind", "metadata", "spec"}
    assert found["apiVersion"] == API_VERSION
    return found


def test_the_example_of_a_training_job_is_one() -> None:
    body = example("trainingjob.yaml")
    assert body["kind"] == KIND
    assert to_job_spec(TrainingJobSpec.model_validate(body["spec"])).dataset.name == "sample"


def test_the_example_of_a_schedule_is_one_and_names_times() -> None:
    body = example("trainingschedule.yaml")
    assert body["kind"] == SCHEDULE_KIND
    spec = TrainingScheduleSpec.model_validate(body["spec"])
    parse(spec.schedule, spec.time_zone)
