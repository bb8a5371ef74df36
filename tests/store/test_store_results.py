"""The state of a job is a function of the set of its results."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.bookkeeper import Bookkeeper, chunk

from levain_contracts.events import Event, EventType, ProductData
from levain_contracts.jobs import JobState, ProductState
from levain_contracts.tasks import ResultChunk
from levain_training.store import jobs

NAMES = [f"p{i}" for i in range(8)]
_job_numbers = itertools.count()
# The fixture's database is shared by the examples; each example has a job of its own in it.
examples = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """Results of all products in any chunks, order and number of copies, with suspends and resumes in between."""
    copies = [*NAMES, *draw(st.lists(st.sampled_from(NAMES), max_size=8))]
    order = draw(st.permutations(copies))
    steps: list[Any] = []
    while order:
        size = draw(st.integers(1, 4))
        steps.append(order[:size])
        order = order[size:]
        if draw(st.integers(0, 3)) == 0:
            steps.append(draw(st.booleans()))
    return steps


class Played:
    """What a job's results gave: its events, how many results were late, and every number that was taken, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.late = 0
        self.numbers: list[int] = []


def play(books: Bookkeeper, job: str, steps: list[Any], bad: set[str]) -> Played:
    played = Played()
    for step in steps:
        books.now += 1
        if isinstance(step, bool):
            played.numbers += suspend(books, job, step)
        else:
            recorded = books.record(chunk(step, bad, job=job))
            played.events += recorded.events
            played.numbers += [e.seq for e in recorded.events]
            played.late += recorded.late
    return played


def suspend(books: Bookkeeper, job: str, suspended: bool) -> list[int]:
    before = books.row(job=job)["seq"]
    try:
        row = books.write(jobs.set_suspended, "anna", job, suspended, books.now)
    except jobs.AlreadyEnded:
        return []
    assert row is not None
    return [row["seq"]] if row["seq"] > before else []


def rows_of(books: Bookkeeper, job: str) -> tuple[Any, ...]:
    row = books.row(job=job)
    counted = {name: row[name] for name in ("state", "products_completed", "products_failed", "total_products", "reason", "suspended")}
    ends = sorted((p.product_id, p.status, p.reason, p.message, p.scores is None) for p in books.products(job=job))
    return counted, ends


@examples
@given(steps=histories(), bad=st.sets(st.sampled_from(NAMES)), limit=st.none() | st.integers(0, len(NAMES)))
def test_any_chunks_order_and_copies_of_the_same_results_end_in_the_same_state(
    books: Bookkeeper, steps: list[Any], bad: set[str], limit: int | None
) -> None:
    ours, plain = (f"job-{next(_job_numbers)}" for _ in range(2))
    for job in (ours, plain):
        books.analysed(NAMES, job=job, max_failed_products=limit)
    first_seq = books.row(job=ours)["seq"]
    played = play(books, ours, steps, bad)
    play(books, plain, [NAMES], bad)
    row = books.row(job=ours)
    assert (row["state"], row["reason"]) == (books.row(job=plain)["state"], books.row(job=plain)["reason"])
    if limit is None or len(bad) <= limit:
        assert rows_of(books, ours) == rows_of(books, plain)

    ended = [e.data for e in played.events if isinstance(e.data, ProductData)]
    assert len({d.product_id for d in ended}) == len(ended) == row["products_completed"]
    assert [d.products_completed for d in ended] == list(range(1, len(ended) + 1))
    assert [d.products_failed for d in ended] == [len(bad & {d.product_id for d in ended[: n + 1]}) for n in range(len(ended))]
    assert [e.terminal for e in played.events] == [False] * len(ended) + [True]
    assert [e.progress for e in played.events] == sorted(e.progress for e in played.events)
    assert played.numbers == list(range(first_seq + 1, row["seq"] + 1))
    assert played.late == sum(len(s) for s in steps if isinstance(s, list)) - len(ended)


def test_the_counters_of_a_job_are_the_counts_of_its_rows(books: Bookkeeper) -> None:
    books.analysed(NAMES, skipped=["new"])
    books.record(chunk(NAMES[:3], bad=[NAMES[1]]))
    row, products = books.row(), books.products()
    assert row["total_products"] == len(products) == 9
    assert row["products_completed"] == sum(p.status is not ProductState.PENDING for p in products) == 4
    assert row["products_failed"] == sum(p.status is ProductState.FAILED for p in products) == 2
    assert sorted(p.seq for p in products if p.seq) == [3, 4, 5, 6]


@pytest.mark.parametrize(
    "stray",
    [
        chunk(NAMES, tenant="bert"),
        chunk(NAMES, job="unknown"),
        chunk(NAMES, job="ended"),
        chunk(NAMES, job="waits"),
        chunk(["no-such-product"] * 8),
    ],
    ids=["of another tenant", "of an unknown job", "of an ended job", "of a job that is not analysed", "of unknown products"],
)
def test_results_that_belong_nowhere_are_counted_late_and_change_nothing(books: Bookkeeper, stray: ResultChunk) -> None:
    books.analysed(NAMES)
    books.analysed(NAMES, tenant="bert", job="job-of-bert")
    books.analysed(NAMES, job="ended")
    books.write(jobs.cancel, "anna", "ended", books.now)
    books.start(job="waits")
    before = everything(books)
    books.now += 100
    recorded = books.record(stray)
    assert (recorded.late, recorded.events) == (8, ())
    assert everything(books) == before


def everything(books: Bookkeeper) -> list[Any]:
    keys = [("anna", "job"), ("bert", "job-of-bert"), ("anna", "ended"), ("anna", "waits")]
    return [(dict(books.row(*key)), books.products(*key)) for key in keys]


def test_a_second_result_of_a_product_does_not_replace_the_first(books: Bookkeeper) -> None:
    books.analysed(["brot", "brezel"])
    books.record(chunk(["brot"]))
    recorded = books.record(chunk(["brot", "brot"], bad=["brot"]))
    assert (recorded.late, recorded.events) == (2, ())
    assert [(p.product_id, p.status) for p in books.products()] == [("brezel", ProductState.PENDING), ("brot", ProductState.TRAINED)]


def test_a_job_fails_with_the_first_product_over_its_limit_and_the_rest_is_late(books: Bookkeeper) -> None:
    books.analysed(NAMES, max_failed_products=1)
    recorded = books.record(chunk(NAMES, bad=NAMES[1:]))
    assert [e.type for e in recorded.events] == [EventType.PRODUCT_COMPLETED] * 3 + [EventType.FAILED]
    assert recorded.late == 5
    row = books.row()
    assert (row["state"], row["reason"], row["products_completed"], row["products_failed"]) == (
        JobState.FAILED,
        "too_many_failed_products",
        3,
        2,
    )


def test_a_limit_of_no_failed_product_lets_a_job_without_one_complete(books: Bookkeeper) -> None:
    books.analysed(NAMES, max_failed_products=0)
    books.record(chunk(NAMES))
    assert books.row()["state"] == JobState.COMPLETED


def test_a_job_whose_products_all_fail_has_failed_and_its_progress_stays(books: Bookkeeper) -> None:
    books.analysed(NAMES)
    recorded = books.record(chunk(NAMES, bad=NAMES))
    assert (books.row()["state"], books.row()["reason"]) == (JobState.FAILED, "all_products_failed")
    assert recorded.events[-1].progress == 80


def test_a_job_without_products_fails_at_once(books: Bookkeeper) -> None:
    step = books.analysed([])
    assert [e.type for e in step.events] == [EventType.PROGRESS, EventType.FAILED]
    assert (books.row()["state"], books.row()["reason"], books.row()["total_products"]) == (JobState.FAILED, "all_products_failed", 0)


def test_products_that_cannot_be_trained_end_with_the_analysis(books: Bookkeeper) -> None:
    step = books.analysed(["brot"], skipped=["neu", "tot"])
    assert [e.type for e in step.events] == [EventType.PROGRESS, EventType.PRODUCT_COMPLETED, EventType.PRODUCT_COMPLETED]
    assert [e.seq for e in step.events] == [2, 3, 4]
    assert books.row()["state"] == JobState.TRAINING
    books.record(chunk(["brot"]))
    row = books.row()
    assert (row["state"], row["products_completed"], row["products_failed"]) == (JobState.COMPLETED, 3, 2)


def test_too_many_products_that_cannot_be_trained_fail_the_job_with_the_analysis(books: Bookkeeper) -> None:
    step = books.analysed(["brot"], skipped=["neu", "tot"], max_failed_products=1)
    assert step.events[-1].type is EventType.FAILED
    assert books.row()["reason"] == "too_many_failed_products"
    assert books.take() == []


def test_what_a_result_says_is_what_is_stored(books: Bookkeeper) -> None:
    books.analysed(["brot", "brezel"])
    books.record(chunk(["brot", "brezel"], bad=["brezel"]))
    brezel, brot = books.products()
    assert (brot.status, brot.scores.wape, brot.reason) == (ProductState.TRAINED, 0.25, None)
    assert (brezel.status, brezel.scores, brezel.reason, brezel.message) == (
        ProductState.FAILED,
        None,
        "too_short",
        "brezel is too short",
    )
