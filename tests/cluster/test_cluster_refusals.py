"""What users write wrong: the API server itself must refuse it and name the field, whether or not the operator runs."""

from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import yaml
from tests.cluster.control_plane import Cluster

from levain.errors import CommandFailed

pytestmark = pytest.mark.cluster

Json = dict[str, Any]
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("training*.yaml"))
API = "/apis/levain.dev/v1alpha1/namespaces"
AS_KUBECTL = "fieldValidation=Strict"  # kubectl asks for it, and an unknown field is an error then
IN_VAIN = "dryRun=All"  # validated in full, and never stored

DATASET: Json = {"dataset": {"name": "sample"}}
TRAINING: Json = {
    **DATASET,
    "horizonDays": 7,
    "products": ["baguette", "croissant"],
    "activeDeadlineSeconds": 600,
    "reading": {"decimal": ",", "dateFormat": "%d/%m/%Y"},
}
NIGHTLY: Json = {"schedule": "30 2 * * *", "template": {"spec": DATASET}}

WRONG_JOBS = [
    ("two datasets", DATASET | {"dataset": {"name": "sample", "uri": "s3://sales/all.csv"}}, "spec.dataset: "),
    ("neither name nor uri", {"dataset": {}}, "spec.dataset: "),
    ("no dataset", {}, "spec.dataset: "),
    ("a dataset that is a string", {"dataset": "sample"}, "spec.dataset: "),
    ("a dataset of 64 characters", {"dataset": {"name": "s" * 64}}, "spec.dataset.name: "),
    ("a dataset with a space", {"dataset": {"name": "my sales"}}, "spec.dataset.name: "),
    ("an empty uri", {"dataset": {"uri": ""}}, "spec.dataset.uri: "),
    ("a uri of 2,001 characters", {"dataset": {"uri": "s3://sales/".ljust(2001, "x")}}, "spec.dataset.uri: "),
    ("an unknown field", DATASET | {"horizon": 7}, '"spec.horizon"'),
    ("an unknown field of the dataset", {"dataset": {"name": "sample", "version": 3}}, '"spec.dataset.version"'),
    ("no days", DATASET | {"horizonDays": 0}, "spec.horizonDays: "),
    ("366 days", DATASET | {"horizonDays": 366}, "spec.horizonDays: "),
    ("days as a string", DATASET | {"horizonDays": "14"}, "spec.horizonDays: "),
    ("half a day", DATASET | {"horizonDays": 0.5}, "spec.horizonDays: "),
    ("a model in upper case", DATASET | {"model": "Auto"}, "spec.model: "),
    ("a model of 65 characters", DATASET | {"model": "m" * 65}, "spec.model: "),
    ("fewer failed products than none", DATASET | {"maxFailedProducts": -1}, "spec.maxFailedProducts: "),
    ("more failed products than there can be", DATASET | {"maxFailedProducts": 1_000_001}, "spec.maxFailedProducts: "),
    ("no time at all", DATASET | {"activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds: "),
    ("more than a week of time", DATASET | {"activeDeadlineSeconds": 604_801}, "spec.activeDeadlineSeconds: "),
    ("a time to live below none", DATASET | {"ttlSecondsAfterFinished": -1}, "spec.ttlSecondsAfterFinished: "),
    ("a time to live of over a year", DATASET | {"ttlSecondsAfterFinished": 31_536_001}, "spec.ttlSecondsAfterFinished: "),
    ("an empty list of products", DATASET | {"products": []}, "spec.products: "),
    ("10,001 products", DATASET | {"products": [f"p{n}" for n in range(10_001)]}, "spec.products: "),
    ("a product of 201 characters", DATASET | {"products": ["baguette", "p" * 201]}, "spec.products[1]: "),
    ("a product without a name", DATASET | {"products": [""]}, "spec.products[0]: "),
    ("a product that is a number", DATASET | {"products": [7]}, "spec.products[0]: "),
    ("a decimal mark that is none", DATASET | {"reading": {"decimal": ";"}}, "spec.reading.decimal: "),
    ("a date format of one character", DATASET | {"reading": {"dateFormat": "%"}}, "spec.reading.dateFormat: "),
    ("a column without a name", DATASET | {"reading": {"columns": {"date": ""}}}, "spec.reading.columns.date: "),
    ("an unknown column", DATASET | {"reading": {"columns": {"price": "Prix"}}}, '"spec.reading.columns.price"'),
    ("suspended by a string", DATASET | {"suspend": "yes"}, "spec.suspend: "),
]

WRONG_SCHEDULES = [
    ("no schedule", {"template": {"spec": DATASET}}, "spec.schedule: "),
    ("four cron fields", NIGHTLY | {"schedule": "30 2 * *"}, "spec.schedule: "),
    ("six cron fields", NIGHTLY | {"schedule": "0 30 2 * * *"}, "spec.schedule: "),
    ("a cron word with an at sign", NIGHTLY | {"schedule": "@daily"}, "spec.schedule: "),
    ("a time zone with spaces", NIGHTLY | {"timeZone": "Central European Time"}, "spec.timeZone: "),
    ("a time zone that is an offset", NIGHTLY | {"timeZone": "+02:00"}, "spec.timeZone: "),
    ("an unknown policy", NIGHTLY | {"concurrencyPolicy": "Queue"}, "spec.concurrencyPolicy: "),
    ("a starting deadline of 0", NIGHTLY | {"startingDeadlineSeconds": 0}, "spec.startingDeadlineSeconds: "),
    ("101 kept successes", NIGHTLY | {"successfulJobsHistoryLimit": 101}, "spec.successfulJobsHistoryLimit: "),
    ("kept failures below none", NIGHTLY | {"failedJobsHistoryLimit": -1}, "spec.failedJobsHistoryLimit: "),
    ("no template", {"schedule": "30 2 * * *"}, "spec.template: "),
    ("a template without a spec", NIGHTLY | {"template": {}}, "spec.template.spec: "),
    ("a template without a dataset", NIGHTLY | {"template": {"spec": {}}}, "spec.template.spec.dataset: "),
    (
        "a template of two datasets",
        NIGHTLY | {"template": {"spec": {"dataset": {"name": "a", "uri": "s3://b"}}}},
        "spec.template.spec.dataset: ",
    ),
    ("a template of 366 days", NIGHTLY | {"template": {"spec": DATASET | {"horizonDays": 366}}}, "spec.template.spec.horizonDays: "),
    ("an unknown field of the template", NIGHTLY | {"template": {"spec": DATASET | {"days": 7}}}, '"spec.template.spec.days"'),
]

CHANGES = [
    ("another dataset", {"dataset": {"name": "other"}}, "dataset"),
    ("a uri for a name", {"dataset": {"name": None, "uri": "s3://sales/all.csv"}}, "dataset"),
    ("another model", {"model": "seasonal_naive"}, "model"),
    ("another horizon", {"horizonDays": 8}, "horizonDays"),
    ("a horizon removed, and so another", {"horizonDays": None}, "horizonDays"),
    ("a product more", {"products": ["baguette", "croissant", "brioche"]}, "products"),
    ("products removed", {"products": None}, "products"),
    ("a limit of failures added", {"maxFailedProducts": 5}, "maxFailedProducts"),
    ("a longer deadline", {"activeDeadlineSeconds": 601}, "activeDeadlineSeconds"),
    ("a deadline removed", {"activeDeadlineSeconds": None}, "activeDeadlineSeconds"),
    ("another decimal mark", {"reading": {"decimal": "."}}, "reading"),
    ("columns added", {"reading": {"columns": {"date": "Jour"}}}, "reading"),
    ("the reading removed", {"reading": None}, "reading"),
    ("two at once", {"horizonDays": 8, "model": "seasonal_naive"}, "horizonDays model"),
]

ACCEPTED_JOBS = [
    (
        "the least of everything",
        DATASET | {"horizonDays": 1, "maxFailedProducts": 0, "activeDeadlineSeconds": 1, "ttlSecondsAfterFinished": 0},
    ),
    ("the most days, products and letters", {"dataset": {"name": "s" * 63}, "horizonDays": 365, "products": ["p" * 200] * 10_000}),
    ("a uri of 2,000 characters", {"dataset": {"uri": "s3://sales/".ljust(2000, "x")}, "model": "m" * 64}),
    ("a training that says all", TRAINING),
]


def job(spec: Json, name: str = "bakery") -> Json:
    return {"apiVersion": "levain.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": name}, "spec": spec}


def schedule(spec: Json, name: str = "nightly") -> Json:
    return {"apiVersion": "levain.dev/v1alpha1", "kind": "TrainingSchedule", "metadata": {"name": name}, "spec": spec}


def created_in_vain(server: Cluster, resource: Json) -> tuple[int, str]:
    plural = f"{resource['kind'].lower()}s"
    status, answer = server.call("POST", f"{API}/default/{plural}?{AS_KUBECTL}&{IN_VAIN}", resource)
    return status, answer.get("message", "")


@pytest.fixture(scope="module")
def running(control_plane: Cluster) -> Iterator[str]:
    """The path of a job that was accepted, and that refused changes leave as it is."""
    place = f"/api/v1/namespaces/test-{token_hex(5)}"
    assert control_plane.call("POST", "/api/v1/namespaces", {"metadata": {"name": place.rpartition("/")[2]}})[0] == 201
    jobs = f"{API}/{place.rpartition('/')[2]}/trainingjobs"
    status, answer = control_plane.call("POST", jobs, job(TRAINING))
    assert status == 201, answer
    yield f"{jobs}/bakery"
    control_plane.call("DELETE", place)


@pytest.mark.parametrize(("spec", "field"), [pytest.param(spec, field, id=what) for what, spec, field in WRONG_JOBS])
def test_a_wrong_training_job_is_refused_by_a_message_that_names_the_field(control_plane: Cluster, spec: Json, field: str) -> None:
    status, message = created_in_vain(control_plane, job(spec))
    assert status in (400, 422)
    assert field in message


@pytest.mark.parametrize(("spec", "field"), [pytest.param(spec, field, id=what) for what, spec, field in WRONG_SCHEDULES])
def test_a_wrong_schedule_is_refused_by_a_message_that_names_the_field(control_plane: Cluster, spec: Json, field: str) -> None:
    status, message = created_in_vain(control_plane, schedule(spec))
    assert status in (400, 422)
    assert field in message


@pytest.mark.parametrize(
    ("fits", "is_too_long"),
    [
        pytest.param(job(DATASET, "j" * 63), job(DATASET, "j" * 64), id="of 64 characters for a job"),
        pytest.param(schedule(NIGHTLY, "s" * 50), schedule(NIGHTLY, "s" * 51), id="of 51 characters for a schedule"),
    ],
)
def test_a_name_that_is_too_long_is_refused(control_plane: Cluster, fits: Json, is_too_long: Json) -> None:
    assert created_in_vain(control_plane, fits) == (201, "")
    status, message = created_in_vain(control_plane, is_too_long)
    assert (status, "metadata.name: at most" in message) == (422, True), message


@pytest.mark.parametrize("kind", [job, schedule])
def test_a_resource_without_a_spec_is_refused(control_plane: Cluster, kind: Any) -> None:
    resource = {name: value for name, value in kind({}).items() if name != "spec"}
    status, message = created_in_vain(control_plane, resource)
    assert (status, "spec: Required value" in message) == (422, True), message


@pytest.mark.parametrize(("change", "fields"), [pytest.param(change, fields, id=what) for what, change, fields in CHANGES])
def test_a_training_never_changes_once_it_is_created(control_plane: Cluster, running: str, change: Json, fields: str) -> None:
    status, answer = control_plane.call("PATCH", f"{running}?{AS_KUBECTL}", {"spec": change})
    assert status == 422
    # The message ends there, so it blames no other field.
    assert "only suspend and ttlSecondsAfterFinished may change" in answer["message"]
    assert answer["details"]["causes"][0]["message"].endswith(f"changed: {fields}")


def test_suspend_and_the_time_to_live_may_change_and_go(control_plane: Cluster, namespace: str) -> None:
    jobs = f"{API}/{namespace}/trainingjobs"
    assert control_plane.call("POST", jobs, job(TRAINING))[0] == 201
    for change in (
        {"suspend": True},
        {"ttlSecondsAfterFinished": 60},
        {"suspend": False, "ttlSecondsAfterFinished": 0},
        {"suspend": None, "ttlSecondsAfterFinished": None},
    ):
        status, answer = control_plane.call("PATCH", f"{jobs}/bakery?{AS_KUBECTL}", {"spec": change})
        assert status == 200, answer
    assert answer["spec"] == TRAINING | {"suspend": False, "model": "auto"}


def test_a_schedule_may_change_in_whole(control_plane: Cluster, namespace: str) -> None:
    schedules = f"{API}/{namespace}/trainingschedules"
    assert control_plane.call("POST", schedules, schedule(NIGHTLY))[0] == 201
    change = {"schedule": "0 3 * * *", "timeZone": "Europe/Paris", "template": {"spec": TRAINING | {"dataset": {"name": "other"}}}}
    status, answer = control_plane.call("PATCH", f"{schedules}/nightly?{AS_KUBECTL}", {"spec": change})
    assert status == 200, answer


@pytest.mark.parametrize("spec", [pytest.param(spec, id=what) for what, spec in ACCEPTED_JOBS])
def test_what_is_within_the_bounds_is_accepted(control_plane: Cluster, spec: Json) -> None:
    assert created_in_vain(control_plane, job(spec)) == (201, "")


@pytest.mark.parametrize("example", [pytest.param(path, id=path.stem) for path in EXAMPLES])
def test_the_examples_are_accepted_as_they_are(control_plane: Cluster, namespace: str, example: Path) -> None:
    assert "created" in control_plane.kubectl("apply", f"--namespace={namespace}", f"--filename={example}")
    assert "unchanged" in control_plane.kubectl("apply", f"--namespace={namespace}", f"--filename={example}")


def test_kubectl_shows_the_refusal_to_its_user(control_plane: Cluster, namespace: str) -> None:
    manifest = yaml.safe_dump(job(DATASET | {"horizonDays": 366}))
    with pytest.raises(CommandFailed, match=r"spec\.horizonDays: .* less than or equal to 365"):
        control_plane.kubectl("apply", f"--namespace={namespace}", "--filename=-", input=manifest)
    manifest = yaml.safe_dump(job(DATASET | {"horizon": 7}))
    with pytest.raises(CommandFailed, match=r'unknown field "spec\.horizon"'):
        control_plane.kubectl("apply", f"--namespace={namespace}", "--filename=-", input=manifest)
