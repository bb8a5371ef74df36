"""Which answers of the training service mean what."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kubernetes.strategies import jobs, views
from tests.kubernetes.world import START, TENANT, UID, make_job, problem

from levain_contracts.events import ProductFailure
from levain_contracts.jobs import JobState
from levain_contracts.resources import DatasetRef, Job, JobSpec
from levain_operator.actions import AskJob, Call, CancelJob, PutJob, ResumeJob, SuspendJob
from levain_operator.answers import Answer, NoAnswer, heard, told, unlisted
from levain_operator.observed import Marked, NoSuchJob, NotAsked, Refused, Told, Trouble, View
from levain_operator.retry import Backoff

SPEC = JobSpec(dataset=DatasetRef(name="sales"))
PUT = PutJob(TENANT, UID, SPEC)
CALLS: list[Call] = [PUT, AskJob(TENANT, UID), SuspendJob(TENANT, UID), ResumeJob(TENANT, UID), CancelJob(TENANT, UID)]
FAILURE = ProductFailure(product_id="p", product="Brot", seq=3, reason="no_sales")


def job(seq: int, **changes: object) -> Job:
    return make_job(START, SPEC).model_copy(update={"seq": seq, **changes})


def telling(told_job: Job, status: int = 200) -> Answer:
    return Answer(status, told_job.model_dump_json().encode())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "unknown_dataset"),
        (409, "other_spec"),
        (413, "too_large"),
        (422, "invalid_request"),
        (422, "uri_not_allowed"),
        (422, "unknown_model"),
        (422, "model_not_installed"),
        (422, "a_code_of_a_newer_service"),
    ],
)
def test_a_put_is_refused_for_good(status: int, code: str) -> None:
    assert heard(NotAsked(), None, PUT, problem(status, code), START) == (Refused(code, f"it is {code}"), None)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "unauthenticated"),
        (403, "other_tenant"),
        (404, "not_found"),
        (404, "no_such_job"),
        (405, "method_not_allowed"),
        (408, "timeout"),
        (409, "already_ended"),
        (429, "too_many"),
        (500, "internal_error"),
        (503, "store_unavailable"),
    ],
)
def test_a_put_that_may_succeed_later_is_trouble(status: int, code: str) -> None:
    view, trouble = heard(NotAsked(), None, PUT, problem(status, code), START)
    assert view == NotAsked()
    assert trouble is not None
    assert (trouble.attempts, code in trouble.message) == (1, True)


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 502])
def test_an_answer_that_is_no_problem_of_ours_came_from_elsewhere_and_is_trouble(status: int) -> None:
    view, trouble = heard(NotAsked(), Trouble(4, START, "x"), PUT, Answer(status, b"<html>"), START)
    assert view == NotAsked()
    assert trouble is not None
    assert trouble.attempts == 5


@pytest.mark.parametrize("call", CALLS)
def test_the_job_is_told_by_any_call_that_succeeds_and_ends_the_trouble(call: Call) -> None:
    known = job(5, failures=(FAILURE,), products_failed=1)
    for status in (200, 202):
        assert heard(NotAsked(), Trouble(3, START, "x"), call, telling(known, status), START) == (Told(known, True), None)


@pytest.mark.parametrize("call", CALLS)
def test_a_job_that_was_not_asked_for_is_a_wrong_answer(call: Call) -> None:
    for wrong in (job(1, job_id="other"), job(1, tenant_id="other")):
        view, trouble = heard(NoSuchJob(), None, call, telling(wrong), START)
        assert view == NoSuchJob()
        assert trouble is not None


def test_a_field_of_a_newer_service_is_skipped() -> None:
    body = job(1).model_dump_json().encode()
    newer = body[:-1] + b',"colour":"red"}'
    assert heard(NotAsked(), None, PUT, Answer(200, newer), START).view == Told(job(1), True)


def test_a_job_that_is_not_there_is_one_to_start_and_one_that_ended_is_asked_for() -> None:
    known = Told(job(1), True)
    for call in (AskJob(TENANT, UID), SuspendJob(TENANT, UID), ResumeJob(TENANT, UID)):
        assert heard(known, None, call, problem(404, "no_such_job"), START) == (NoSuchJob(), None)
        assert heard(known, None, call, problem(404, "not_found"), START).trouble is not None
    assert heard(known, None, SuspendJob(TENANT, UID), problem(409, "already_ended"), START) == (NotAsked(), None)


def test_a_cancelled_id_that_was_unknown_is_marked() -> None:
    assert heard(NotAsked(), None, CancelJob(TENANT, UID), Answer(204, b""), START) == (Marked(), None)
    assert heard(NotAsked(), None, PUT, Answer(204, b""), START).trouble is not None


@given(
    views,
    st.none() | st.builds(Trouble, st.integers(1, 9), st.just(START), st.just("x")),
    st.sampled_from(CALLS),
    st.integers(0, 999),
    st.binary(),
)
def test_any_answer_has_a_meaning(view: View, trouble: Trouble | None, call: Call, status: int, body: bytes) -> None:
    after = heard(view, trouble, call, Answer(status, body), START)
    assert after.trouble is None or after.trouble.attempts == (trouble.attempts if trouble else 0) + 1
    silence = heard(view, trouble, call, NoAnswer("reset"), START)
    assert silence.view == view
    assert silence.trouble is not None


@given(jobs, jobs, st.booleans(), st.booleans())
def test_an_end_is_final_and_the_same_job_never_goes_back(first: Job, second: Job, one_full: bool, other_full: bool) -> None:
    view = told(told(NotAsked(), first, full=one_full), second, full=other_full)
    assert isinstance(view, Told)
    if first.state.terminal:
        assert view.job.state.terminal
    if first.created_at == second.created_at and not second.state.terminal:
        assert view.job.seq >= first.seq


def test_a_list_without_failures_takes_none_away() -> None:
    known = Told(job(5, failures=(FAILURE,), products_failed=1), True)
    assert told(known, job(5, products_failed=1), full=False) == known
    newer = told(known, job(6, products_failed=2), full=False)
    assert isinstance(newer, Told)
    assert newer.job.failures == (FAILURE,)
    assert newer.lacks_failures
    full = told(newer, job(6, products_failed=1), full=True)
    assert isinstance(full, Told)
    assert not full.lacks_failures


def test_a_job_that_was_begun_anew_is_believed_though_it_is_behind() -> None:
    again = job(1, created_at=START + timedelta(hours=1))
    assert told(Told(job(9), True), again, full=False) == Told(again, False)
    assert told(Told(again, False), job(9), full=False) == Told(again, False)


def test_an_answer_from_a_store_that_was_set_back_is_an_answer_all_the_same() -> None:
    """Else the same question would be asked again at once, for ever."""
    known = Told(job(9, products_failed=2), False)
    assert known.lacks_failures
    assert told(known, job(5, products_failed=1), full=True) == Told(known.job, True)
    assert told(known, job(5, products_failed=1), full=False) == known
    ended = Told(job(9, products_failed=2, state=JobState.COMPLETED), False)
    assert told(ended, job(5), full=True) == Told(ended.job, True)


def test_a_job_that_no_list_names_is_asked_for() -> None:
    assert unlisted(Told(job(3), True)) == NotAsked()
    ended = Told(job(3, state=JobState.COMPLETED), True)
    for view in (ended, NoSuchJob(), Marked(), Refused("x", "y"), NotAsked()):
        assert unlisted(view) == view


@given(st.integers(1, 10**6), st.text(), st.none() | st.floats(0, 1e9))
def test_delays_grow_to_a_cap_and_heed_what_the_service_asks_for(attempts: int, key: str, retry_after: float | None) -> None:
    backoff = Backoff(first_seconds=1, cap_seconds=60, spread=0.2)
    delay = backoff.delay_seconds(key, Trouble(attempts, START, "x", retry_after))
    assert 0.8 <= delay <= 60
    assert delay >= min(retry_after or 0, 60)
    assert backoff.delay_seconds(key, Trouble(attempts + 1, START, "x", retry_after)) >= delay


def test_a_clock_set_back_keeps_nobody_waiting() -> None:
    trouble = Trouble(9, START, "x")
    assert Backoff().retry_at("k", trouble, START) is not None
    assert Backoff().retry_at("k", trouble, START - timedelta(seconds=1)) is None
    assert Backoff().retry_at("k", trouble, START + timedelta(seconds=60)) is None
    assert Backoff().retry_at("k", None, START) is None
