"""What the operator knows does not depend on who told it first: the watch, a list, or the answer to a call."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.kubernetes.world import TENANT, UID, make_job

from levain_contracts.jobs import JobState
from levain_contracts.kubernetes.training_job import TrainingJobSpec, to_job_spec
from levain_operator.conditions import ended
from levain_operator.memory import Memory
from levain_operator.observed import NotAsked, Presence, Told

NOW = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
OWNER = "b5f0c3a2-1111-4c4c-8f8f-000000000001"
ENDED = {"conditions": [{"type": "Complete", "status": "True", "reason": "Completed", "lastTransitionTime": "2026-03-01T02:30:00Z"}]}


def body(version: int = 1, *, suspend: bool = False, uid: str = UID, owner: str | None = None, status: Any = None) -> dict[str, Any]:
    """Each version is a generation of its own."""
    owners = [{"kind": "TrainingSchedule", "name": "nightly", "uid": owner, "controller": True}] if owner else []
    metadata = {
        "uid": uid,
        "namespace": "corner",
        "name": "nightly-202603010230",
        "generation": version,
        "resourceVersion": str(100 + version),
        "creationTimestamp": "2026-03-01T02:30:00Z",
        "ownerReferences": owners,
    }
    return {"metadata": metadata, "spec": {"dataset": {"name": "sales"}, "suspend": suspend}, "status": status or {}}


@given(st.permutations([1, 2, 3, 4]), st.integers(0, 4))
def test_the_newest_version_wins_in_any_order_and_a_deletion_is_for_good(order: list[int], deleted_after: int) -> None:
    memory = Memory()
    for place, version in enumerate(order):
        if place == deleted_after:
            memory.saw_job(body(4), deleted=True)
        memory.saw_job(body(version, suspend=version == 4))
    if deleted_after < len(order):
        known = memory.jobs.get(UID)
        assert known is None or known.presence is Presence.GONE
        memory.forget_job(UID)
        memory.saw_job(body(9))
        assert UID not in memory.jobs
    else:
        known = memory.jobs[UID]
        assert (known.version.generation, known.observed(NOW).generation) == (4, 4)
        assert isinstance(known.spec, TrainingJobSpec)
        assert known.spec.suspend


def test_a_status_that_was_decided_is_not_forgotten_for_one_that_was_written_before() -> None:
    memory = Memory()
    memory.saw_job(body(1))
    known = memory.jobs[UID]
    memory.saw_job(body(2, status=ENDED))
    assert ended(known.status)
    known.decided = True
    memory.saw_job(body(3))
    assert ended(known.status)


def test_a_job_is_of_the_tenant_of_its_namespace_whoever_is_known_first() -> None:
    memory = Memory()
    memory.saw_job(body())
    assert memory.jobs[UID].tenant is None
    assert memory.saw_namespace("corner", {"levain.dev/tenant": TENANT}) == (UID,)
    assert memory.saw_namespace("corner", {"levain.dev/tenant": TENANT}) == ()
    assert memory.jobs[UID].tenant == TENANT
    memory.only_namespaces([])  # deleted, and its job is not yet
    memory.saw_job(body(uid=UID.replace("0", "1")))
    assert {job.tenant for job in memory.jobs.values()} == {TENANT}


def test_what_the_service_tells_of_another_tenants_job_of_the_same_id_is_none_of_ours() -> None:
    memory = Memory()
    memory.saw_namespace("corner", {"levain.dev/tenant": TENANT})
    memory.saw_job(body())
    spec = to_job_spec(TrainingJobSpec.model_validate({"dataset": {"name": "sales"}}))
    assert memory.tell(make_job(NOW, spec, tenant="other"), NOW) == ()
    assert memory.tell(make_job(NOW, spec, job_id="unknown"), NOW) == ()
    assert isinstance(memory.jobs[UID].view, NotAsked)
    assert memory.tell(make_job(NOW, spec, state=JobState.TRAINING), NOW) == (UID,)
    assert memory.tell(make_job(NOW, spec, state=JobState.TRAINING), NOW) == ()  # no news
    assert isinstance(memory.jobs[UID].view, Told)
    assert memory.unlist(UID) == (UID,)
    assert isinstance(memory.jobs[UID].view, NotAsked)


def test_a_schedule_is_woken_for_its_jobs_and_sees_them_until_they_are_gone() -> None:
    memory = Memory()
    memory.saw_schedule({**body(uid=OWNER), "spec": {"schedule": "* * * * *", "template": {"spec": {"dataset": {"name": "sales"}}}}})
    assert memory.saw_job(body(owner=OWNER)) == (UID, OWNER)
    assert [child.uid for child in memory.children(OWNER)] == [UID]
    assert memory.lost_job(UID) == (UID, OWNER)
    assert memory.children(OWNER) == []
    assert memory.lost_schedule(OWNER) == (OWNER,)
    assert memory.saw_schedule(body(uid=OWNER)) == ()


def test_the_list_for_the_rule_of_orphans_names_uids_whose_namespace_is_unknown_without_a_tenant() -> None:
    memory = Memory()
    other = UID.replace("0", "1")
    elsewhere = body(uid=other)
    elsewhere["metadata"]["namespace"] = "unknown"
    memory.saw_namespace("corner", {})
    listed = memory.listed([body(), elsewhere], NOW)
    assert listed.keys == {("corner", UID)}
    assert listed.uids_without_tenant == {other}
