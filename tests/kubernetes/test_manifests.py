"""What is sent to the API server, and how what comes from it is read."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.strategies import json_values
from tests.kubernetes.strategies import statuses
from tests.kubernetes.world import START, UID

from levain_contracts.kubernetes.training_job import TrainingJobSpec, TrainingJobStatus
from levain_operator.actions import CreateTrainingJob, EmitEvent
from levain_operator.children import Child, Outcome, child_name
from levain_operator.conditions import ended, is_true
from levain_operator.manifests import child_job, delete_options, event, job_ref, schedule_ref, status_patch
from levain_operator.observed import Presence, Unreadable
from levain_operator.reading import read_child, read_identity, read_job_spec, read_job_status, read_schedule_spec, read_schedule_status

JOB = job_ref("bakeries", "bakery", UID)
SCHEDULE = schedule_ref("bakeries", "nightly", "s-uid")
SPEC = TrainingJobSpec.model_validate({"dataset": {"name": "sales"}, "reading": {"dateFormat": "%d/%m/%Y"}})
AT = datetime(2026, 11, 25, 1, 30, tzinfo=UTC)
BODY: dict[str, Any] = {
    "apiVersion": "levain.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {
        "uid": UID,
        "namespace": "bakeries",
        "name": "bakery",
        "generation": 3,
        "creationTimestamp": "2026-03-01T02:30:00Z",
        "resourceVersion": "7",
    },
    "spec": SPEC.wire(),
}


def test_a_status_is_applied_to_the_resource_of_its_uid_alone() -> None:
    patch = status_patch(JOB, TrainingJobStatus(job_id=UID))
    assert patch == {
        "apiVersion": "levain.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "bakery", "namespace": "bakeries", "uid": UID},
        "status": {"jobId": UID, "conditions": [], "failures": []},
    }


def test_a_child_belongs_to_its_schedule_and_blocks_nothing() -> None:
    body = child_job(SCHEDULE, CreateTrainingJob(child_name("nightly", AT), AT), SPEC)
    assert body["metadata"] == {
        "name": "nightly-202611250130",
        "namespace": "bakeries",
        "labels": {"levain.dev/schedule": "nightly"},
        "annotations": {"levain.dev/scheduled-at": "2026-11-25T01:30:00Z"},
        "ownerReferences": [
            {"apiVersion": "levain.dev/v1alpha1", "kind": "TrainingSchedule", "name": "nightly", "uid": "s-uid", "controller": True}
        ],
    }
    assert read_job_spec(body) == SPEC


def test_a_child_is_read_back_as_it_was_made() -> None:
    made = child_job(SCHEDULE, CreateTrainingJob(child_name("nightly", AT), AT), SPEC)
    made["metadata"] |= {"uid": UID, "creationTimestamp": "2026-11-25T01:30:01Z"}
    assert read_child(made) == Child("nightly-202611250130", UID, AT, Outcome.ACTIVE)
    assert read_identity(made).owner_uid == "s-uid"
    assert read_child(BODY) is None
    condition = {"type": "Failed", "status": "True", "reason": "X", "lastTransitionTime": "2026-11-25T02:00:00Z"}
    failed = made | {"status": {"conditions": [condition], "completionTime": "2026-11-25T02:00:00Z"}}
    child = read_child(failed)
    assert child is not None
    assert (child.outcome, child.ended_at) == (Outcome.FAILED, datetime(2026, 11, 25, 2, tzinfo=UTC))


def test_an_event_sent_twice_is_one_and_another_is_another() -> None:
    said = EmitEvent("Warning", "Failed", "UnknownDataset: upload one")
    first = event(JOB, said, AT)
    assert first == event(JOB, said, AT)
    names = {first["metadata"]["name"], event(JOB, said, START)["metadata"]["name"], event(SCHEDULE, said, AT)["metadata"]["name"]}
    assert len(names) == 3
    assert first["involvedObject"]["uid"] == UID
    assert first["metadata"]["namespace"] == first["involvedObject"]["namespace"]


@given(st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", fullmatch=True), st.text(max_size=3000))
def test_an_event_is_one_that_the_api_server_takes(name: str, message: str) -> None:
    made = event(job_ref("bakeries", name, UID), EmitEvent("Normal", "Accepted", message), AT)
    assert len(made["metadata"]["name"]) <= 253
    assert ".." not in made["metadata"]["name"].removeprefix(name)
    assert len(made["message"]) <= 1024


def test_only_the_resource_of_that_uid_is_deleted() -> None:
    assert delete_options(UID)["preconditions"] == {"uid": UID}
    assert delete_options(UID)["propagationPolicy"] == "Background"


def test_a_resource_is_read() -> None:
    identity = read_identity(BODY)
    assert (identity.uid, identity.generation, identity.presence, identity.owner_uid) == (UID, 3, Presence.THERE, None)
    assert identity.created_at == START
    assert read_job_spec(BODY) == SPEC
    assert read_job_status(BODY) == TrainingJobStatus()
    deleting = copy.deepcopy(BODY)
    deleting["metadata"]["deletionTimestamp"] = "2026-03-01T02:31:00Z"
    assert read_identity(deleting).presence is Presence.DELETING


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (None, "spec"),
        ([], "spec"),
        ({"dataset": {}}, "spec.dataset: "),
        (SPEC.wire() | {"colour": "red"}, "spec.colour: "),
        (SPEC.wire() | {"horizonDays": "many"}, "spec.horizonDays: "),
    ],
)
def test_a_spec_that_can_not_be_read_says_where(spec: Any, words: str) -> None:
    unreadable = read_job_spec(BODY | {"spec": spec})
    assert isinstance(unreadable, Unreadable)
    assert unreadable.message.startswith(words)


@given(json_values, json_values)
def test_nothing_in_a_resource_stops_the_reader(spec: object, status: object) -> None:
    body = BODY | {"spec": spec, "status": status}
    assert isinstance(read_job_spec(body), Unreadable)
    assert isinstance(read_schedule_spec(body), Unreadable)
    read_job_status(body)
    read_schedule_status(body)


@given(statuses, st.dictionaries(st.sampled_from(["progress", "colour", "failures", "completionTime", "jobId"]), json_values))
def test_an_end_stays_an_end_whatever_else_someone_wrote_beside_it(status: TrainingJobStatus, written: dict[str, Any]) -> None:
    wire = json.loads(json.dumps(status.wire()))
    read = read_job_status({"status": wire | written | {"conditions": [*wire["conditions"], {"type": "Odd"}, 7]}})
    assert ended(read) == ended(status)
    assert is_true(read.conditions, "Failed") == is_true(status.conditions, "Failed")
