"""Which running jobs have nobody any more, and when that may be said."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.kubernetes.world import START, make_job

from levain_contracts.claims import Role
from levain_contracts.jobs import JobState
from levain_contracts.resources import DatasetRef, Job, JobSpec
from levain_operator.actions import CancelJob
from levain_operator.orphans import Listed, orphans

SPEC = JobSpec(dataset=DatasetRef(name="sales"))
LATER = START + timedelta(seconds=1)


def job(uid: str, tenant: str = "a", state: JobState = JobState.TRAINING, started_by: Role | None = Role.OPERATOR) -> Job:
    return make_job(START, SPEC, tenant=tenant, job_id=uid, state=state).model_copy(update={"started_by": started_by})


def listed(*keys: tuple[str, str], complete: bool = True, asked_at: datetime = LATER, loose: frozenset[str] = frozenset()) -> Listed:
    return Listed(complete, asked_at, frozenset(keys), loose)


def test_a_running_job_of_ours_without_its_resource_is_cancelled() -> None:
    assert orphans([job("gone"), job("here")], START, listed(("a", "here"))) == (CancelJob("a", "gone"),)


def test_a_job_that_came_by_the_api_is_nobodys_orphan() -> None:
    for role in (Role.TRAINER, None):
        assert orphans([job("x", started_by=role)], START, listed()) == ()


def test_a_job_that_ended_is_left_alone() -> None:
    assert orphans([job("x", state=state) for state in JobState if state.terminal], START, listed()) == ()


def test_partial_knowledge_cancels_nothing() -> None:
    assert orphans([job("x")], START, listed(complete=False)) == ()
    before = START - timedelta(seconds=1)
    assert orphans([job("x")], START, listed(asked_at=before)) == ()  # its resource may have been made since


def test_the_job_under_a_namespaces_former_tenant_is_cancelled_and_that_under_the_new_one_is_not() -> None:
    assert orphans([job("x", tenant="a"), job("x", tenant="b")], START, listed(("b", "x"))) == (CancelJob("a", "x"),)


def test_a_resource_whose_tenant_is_not_known_keeps_its_job() -> None:
    assert orphans([job("x")], START, listed(loose=frozenset({"x"}))) == ()


uids = st.sampled_from(["u1", "u2", "u3", "u4"])
tenants = st.sampled_from(["a", "b"])


@given(
    st.lists(st.builds(job, uids, tenants, st.sampled_from(JobState), st.sampled_from([Role.OPERATOR, Role.TRAINER, None])), max_size=8),
    st.frozensets(st.tuples(tenants, uids)),
    st.booleans(),
    st.booleans(),
)
def test_nobody_who_has_a_resource_is_ever_cancelled(
    jobs: list[Job], keys: frozenset[tuple[str, str]], complete: bool, fresh: bool
) -> None:
    cancelled = orphans(jobs, START, Listed(complete, LATER if fresh else START - timedelta(seconds=1), keys))
    assert not {(c.tenant_id, c.job_id) for c in cancelled} & keys
    ours = {(j.tenant_id, j.job_id) for j in jobs if j.started_by is Role.OPERATOR and not j.state.terminal}
    assert {(c.tenant_id, c.job_id) for c in cancelled} == (ours - keys if complete and fresh else set())
