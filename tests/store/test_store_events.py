"""What was published, what was not, and the last event rebuilt from the rows."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.bookkeeper import Bookkeeper, analysis, chunk

from levain_contracts.events import Event, decode, encode
from levain_contracts.jobs import JobState
from levain_training.store import analyses, jobs, live

NAMES = ["p0", "p1", "p2", "p3"]
MOVES = ["claim", "give_back", "finish", "fail", "take", "result", "result", "bad_result", "late", "suspend", "resume", "cancel"]
_job_numbers = itertools.count()


class Life:
    """One job; each move that is legal now changes it. `last` is the newest event, None after a silent number."""

    def __init__(self, books: Bookkeeper) -> None:
        self.books = books
        self.job = f"job-{next(_job_numbers)}"
        self.last: Event | None = books.start(job=self.job, max_failed_products=2).events[-1]
        self.open = list(NAMES)

    def move(self, name: str) -> None:
        self.books.now += 1
        row = self.books.row(job=self.job)
        state = JobState(row["state"])
        if not state.terminal:
            getattr(self, f"_{name}")(row, state)

    def _claim(self, row: Any, state: JobState) -> None:
        if state is JobState.PENDING and not row["suspended"]:
            self.books.claim()

    def _give_back(self, row: Any, state: JobState) -> None:
        self.books.write(analyses.give_back, row, "analyst", self.books.now, counts=False)

    def _finish(self, row: Any, state: JobState) -> None:
        self._took(self.books.write(analyses.finish, row, "analyst", analysis(NAMES, skipped=["neu"]), self.books.now))

    def _fail(self, row: Any, state: JobState) -> None:
        self._took(self.books.write(analyses.fail, row, "analyst", "no_rows", "it is empty", self.books.now))

    def _take(self, row: Any, state: JobState) -> None:
        self.books.take(2, job=self.job)

    def _result(self, row: Any, state: JobState, bad: bool = False) -> None:
        if state is JobState.TRAINING:
            name = self.open.pop(0)
            recorded = self.books.record(chunk([name], bad=[name] if bad else [], job=self.job))
            self.last = recorded.events[-1]

    def _bad_result(self, row: Any, state: JobState) -> None:
        self._result(row, state, bad=True)

    def _late(self, row: Any, state: JobState) -> None:
        assert self.books.record(chunk(["neu"], job=self.job)).events == ()

    def _suspend(self, row: Any, state: JobState, suspended: bool = True) -> None:
        changed = self.books.write(jobs.set_suspended, "anna", self.job, suspended, self.books.now)
        if changed is not None and changed["seq"] > row["seq"]:
            self.last = None

    def _resume(self, row: Any, state: JobState) -> None:
        self._suspend(row, state, suspended=False)

    def _cancel(self, row: Any, state: JobState) -> None:
        self._took(self.books.write(jobs.cancel, "anna", self.job, self.books.now))

    def _took(self, step: jobs.Step | None) -> None:
        if step is not None:
            self.last = step.events[-1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(MOVES), max_size=14).map(lambda moves: moves if len(moves) % 2 else ["claim", "finish", *moves]))
def test_the_last_event_rebuilt_from_the_rows_is_the_one_that_was_published(books: Bookkeeper, moves: list[str]) -> None:
    life = Life(books)
    for move in [None, *moves]:
        if move is not None:
            life.move(move)
        rebuilt = books.read(live.last_event, books.row(job=life.job))
        assert rebuilt == life.last
        if rebuilt is not None:
            assert decode(encode(rebuilt)).event == rebuilt
    life.move("cancel")  # no job waits for the next example's claim


def test_a_snapshot_shows_what_the_rows_say(books: Bookkeeper) -> None:
    books.analysed(NAMES)
    recorded = books.record(chunk(NAMES[:2], bad=NAMES[:1]))
    books.write(jobs.set_suspended, "anna", "job", True, books.now)
    found = books.read(live.read_snapshot, "anna", "job")
    assert found is not None
    frame, terminal = found
    assert terminal is None
    assert (frame.seq, frame.progress) == (5, 50)
    data = frame.data
    assert (data["state"], data["stage"], data["suspended"]) == ("training", "training", True)
    assert (data["products_completed"], data["products_failed"], data["total_products"]) == (2, 1, 4)
    failures: Any = data["failures"]
    assert [f["product_id"] for f in failures] == ["p0"]
    books.write(jobs.set_suspended, "anna", "job", False, books.now)
    recorded = books.record(chunk(NAMES[2:]))
    found = books.read(live.read_snapshot, "anna", "job")
    assert found is not None
    assert found[1] == recorded.events[-1]
    assert (found[0].seq, found[0].progress) == (recorded.events[-1].seq, 100)


def test_an_event_counts_as_unpublished_until_it_is_marked(books: Bookkeeper) -> None:
    books.start()
    books.start(job="other")
    books.write(jobs.cancel, "anna", "mark", books.now)
    assert unpublished(books, books.now) == []  # it may be on its way
    books.now += 1
    assert unpublished(books, books.now) == ["job", "other"]
    books.write(live.mark_published, {("anna", "job"): 1})
    assert unpublished(books, books.now) == ["other"]


def unpublished(books: Bookkeeper, before: float) -> list[str]:
    return sorted(row["job_id"] for row in books.read(live.unpublished, before, 10))


def test_a_mark_never_goes_back_and_marks_of_unknown_jobs_do_nothing(books: Bookkeeper) -> None:
    books.analysed(NAMES)
    for mark, expected in ((2, 2), (1, 2), (5, 5), (4, 5)):
        books.write(live.mark_published, {("anna", "job"): mark, ("anna", "unknown"): 9, ("bert", "job"): 9})
        assert books.row()["published_seq"] == expected


@pytest.mark.parametrize("count", [0, 1, 2500])
def test_the_seqs_of_any_number_of_jobs_are_read_at_once(books: Bookkeeper, count: int) -> None:
    books.analysed(NAMES)
    books.start(tenant="bert")
    keys = [(tenant, f"job-{n}") for tenant in ("anna", "bert") for n in range(count)]
    assert books.read(live.read_seqs, keys) == {}
    found = books.read(live.read_seqs, [("anna", "job"), *keys, ("bert", "job"), ("bert", "unknown")])
    assert found == {("anna", "job"): 2, ("bert", "job"): 1}
