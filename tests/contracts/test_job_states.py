import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from levain_contracts.jobs import JOB_TRANSITIONS, PRODUCT_TRANSITIONS, IllegalTransition, JobState, ProductState, move, verdict

JOB_STATES, TOTALS = st.sampled_from(JobState), st.integers(1, 10_000)


def test_the_terminal_states_are_these() -> None:
    assert {s for s in JobState if s.terminal} == {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED}
    assert {s for s in ProductState if s.terminal} == {ProductState.TRAINED, ProductState.FAILED}


def test_every_state_has_its_row_of_transitions() -> None:
    assert set(JOB_TRANSITIONS) == set(JobState)
    assert set(PRODUCT_TRANSITIONS) == set(ProductState)


@given(JOB_STATES, JOB_STATES)
def test_a_move_is_legal_exactly_where_the_table_says(state: JobState, to: JobState) -> None:
    if to in JOB_TRANSITIONS[state]:
        assert move(state, to) is to
    else:
        with pytest.raises(IllegalTransition, match=f"{state} can't become {to}"):
            move(state, to)


@given(st.lists(JOB_STATES))
def test_a_terminal_state_is_final_whatever_is_asked_for(asked: list[JobState]) -> None:
    state, ended = JobState.PENDING, None
    for to in asked:
        if to in JOB_TRANSITIONS[state]:
            state = move(state, to)
        if ended is None and state.terminal:
            ended = state
    assert ended is None or state is ended


@pytest.mark.parametrize("state", [s for s in JobState if not s.terminal])
def test_an_open_job_can_always_fail_and_be_cancelled(state: JobState) -> None:
    assert {JobState.FAILED, JobState.CANCELLED} <= JOB_TRANSITIONS[state]


@pytest.mark.parametrize(
    ("total", "completed", "failed", "max_failed", "expected"),
    [
        (3, 0, 0, None, (JobState.TRAINING, None)),
        (3, 2, 2, None, (JobState.TRAINING, None)),
        (3, 3, 0, None, (JobState.COMPLETED, None)),
        (3, 3, 2, None, (JobState.COMPLETED, None)),
        (3, 3, 3, None, (JobState.FAILED, "all_products_failed")),
        (3, 1, 1, 0, (JobState.FAILED, "too_many_failed_products")),
        (3, 1, 1, 1, (JobState.TRAINING, None)),
        (3, 3, 1, 1, (JobState.COMPLETED, None)),
        (3, 3, 3, 1, (JobState.FAILED, "too_many_failed_products")),
        (0, 0, 0, None, (JobState.FAILED, "all_products_failed")),
    ],
)
def test_the_verdict_on_counts(
    total: int, completed: int, failed: int, max_failed: int | None, expected: tuple[JobState, str | None]
) -> None:
    assert verdict(total, completed, failed, max_failed) == expected


@given(TOTALS, st.data(), st.none() | st.integers(0, 100))
def test_the_verdict_agrees_with_the_counts(total: int, data: st.DataObject, max_failed: int | None) -> None:
    completed = data.draw(st.integers(0, total))
    failed = data.draw(st.integers(0, completed))
    state, reason = verdict(total, completed, failed, max_failed)
    assert state is JobState.TRAINING or state in JOB_TRANSITIONS[JobState.TRAINING]
    assert (reason is not None) == (state is JobState.FAILED)
    if state is JobState.TRAINING:
        assert completed < total
    if state is JobState.COMPLETED:
        assert completed == total > failed


@given(TOTALS, st.data())
def test_a_job_without_a_limit_ends_only_with_its_last_product(total: int, data: st.DataObject) -> None:
    completed = data.draw(st.integers(0, total))
    failed = data.draw(st.integers(0, completed))
    assert verdict(total, completed, failed, None)[0].terminal == (completed == total)


@given(TOTALS, st.data(), st.integers(0, 100))
def test_too_many_failures_stay_too_many(total: int, data: st.DataObject, max_failed: int) -> None:
    completed = data.draw(st.integers(0, total - 1))
    failed = data.draw(st.integers(0, completed))
    assume(verdict(total, completed, failed, max_failed)[0] is JobState.FAILED)
    assert verdict(total, completed + 1, failed + 1, max_failed) == (JobState.FAILED, "too_many_failed_products")
