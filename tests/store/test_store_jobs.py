"""Making, listing, cancelling and suspending jobs."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.bookkeeper import Bookkeeper, chunk, spec

from levain_contracts.events import EventType
from levain_contracts.jobs import JobState
from levain_training.store import jobs, live

_tenants = itertools.count()  # each example has one of its own


def job_ids(books: Bookkeeper, before: tuple[float, str] | None = None, limit: int = 100, state: JobState | None = None) -> list[str]:
    return [row["job_id"] for row in books.read(jobs.list_jobs, "anna", before=before, limit=limit, state=state)]


def test_a_job_that_is_put_twice_is_started_once(books: Bookkeeper) -> None:
    step = books.start(horizon_days=7)
    assert [(e.type, e.seq, e.progress) for e in step.events] == [(EventType.STARTED, 1, 0)]
    books.now += 1
    assert books.write(jobs.create, "anna", "job", spec(horizon_days=7), {}, books.now) is None
    assert books.row() == step.row


def test_another_spec_under_a_known_id_is_refused(books: Bookkeeper) -> None:
    books.start(horizon_days=7)
    with pytest.raises(jobs.OtherSpec):
        books.write(jobs.create, "anna", "job", spec(horizon_days=8), {}, books.now)


def test_an_id_that_was_cancelled_before_it_was_known_starts_nothing(books: Bookkeeper) -> None:
    assert books.write(jobs.cancel, "anna", "job", books.now).events == ()
    assert job_ids(books) == []
    assert books.read(live.read_snapshot, "anna", "job") is None
    for _ in range(2):
        assert books.write(jobs.create, "anna", "job", spec(), {}, books.now) is None
    assert (books.row()["state"], job_ids(books)) == (JobState.CANCELLED, ["job"])
    found = books.read(live.read_snapshot, "anna", "job")
    assert found is not None
    assert found[1] is not None
    assert found[1].terminal
    with pytest.raises(jobs.OtherSpec):
        books.write(jobs.create, "anna", "job", spec(horizon_days=8), {}, books.now)
    with pytest.raises(jobs.AlreadyEnded):
        books.write(jobs.cancel, "anna", "job", books.now)


def test_a_key_gives_the_first_requests_job_and_refuses_another_body(books: Bookkeeper) -> None:
    """Field case D25."""
    first = books.write(jobs.create_once, "anna", "one", spec(), dict, books.now, "key")
    again = books.write(jobs.create_once, "anna", "two", spec(), dict, books.now, "key")
    assert (first[0], again) == ("one", ("one", None))
    with pytest.raises(jobs.OtherBody):
        books.write(jobs.create_once, "anna", "three", spec(horizon_days=8), dict, books.now, "key")
    foreign = books.write(jobs.create_once, "bert", "four", spec(horizon_days=8), dict, books.now, "key")
    assert foreign[0] == "four"
    assert job_ids(books) == ["one"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=st.lists(st.integers(1, 5), min_size=1, max_size=12), limit=st.integers(1, 5))
def test_pages_hold_each_job_once_newest_first_also_while_new_ones_come(books: Bookkeeper, times: list[int], limit: int) -> None:
    tenant = f"tenant-{next(_tenants)}"
    for number, time in enumerate(times):
        books.write(jobs.create, tenant, f"job-{number:02}", spec(), {}, float(time))
    known = sorted(((float(t), f"job-{n:02}") for n, t in enumerate(times)), reverse=True)
    seen: list[tuple[float, str]] = []
    page: list[tuple[float, str]] | None = None
    while page is None or len(page) == limit:
        rows = books.read(jobs.list_jobs, tenant, before=seen[-1] if seen else None, limit=limit)
        page = [(row["created_at"], row["job_id"]) for row in rows]
        seen += page
        books.write(jobs.create, tenant, f"new-{len(seen)}", spec(), {}, 10.0)
    assert seen == known


def test_jobs_are_listed_by_state(books: Bookkeeper) -> None:
    books.analysed(["brot"], job="training")
    books.analysed(["brot"], job="completed")
    books.record(chunk(["brot"], job="completed"))
    books.start(job="pending")
    assert job_ids(books, state=JobState.COMPLETED) == ["completed"]
    assert job_ids(books, state=JobState.TRAINING) == ["training"]
    assert job_ids(books, state=JobState.FAILED) == []
    assert sorted(job_ids(books)) == ["completed", "pending", "training"]


@pytest.mark.parametrize("moment", ["pending", "analysing", "training", "suspended"])
def test_a_job_is_cancelled_at_any_moment_with_one_terminal_event(books: Bookkeeper, moment: str) -> None:
    if moment in ("training", "suspended"):
        books.analysed(["brot", "brezel"])
        books.record(chunk(["brot"]))
    else:
        books.start()
    if moment == "analysing":
        books.claim()
    if moment == "suspended":
        books.write(jobs.set_suspended, "anna", "job", True, books.now)
    before = books.row()
    step = books.write(jobs.cancel, "anna", "job", books.now)
    (event,) = step.events
    assert (event.type, event.seq, event.progress) == (EventType.FAILED, before["seq"] + 1, jobs.percent(before))
    row = books.row()
    assert (row["state"], row["reason"], bool(row["suspended"])) == (JobState.CANCELLED, "cancelled", False)
    for late in (lambda: books.write(jobs.cancel, "anna", "job", books.now), lambda: suspend(books, True)):
        with pytest.raises(jobs.AlreadyEnded):
            late()
    assert books.row() == row


def suspend(books: Bookkeeper, suspended: bool) -> int:
    row = books.write(jobs.set_suspended, "anna", "job", suspended, books.now)
    assert row is not None
    return int(row["seq"])


def test_suspending_twice_is_suspending_once(books: Bookkeeper) -> None:
    books.start()
    assert [suspend(books, s) for s in (False, True, True, False, False)] == [1, 2, 2, 3, 3]


def test_an_unknown_job_or_a_mark_cannot_be_suspended(books: Bookkeeper) -> None:
    books.write(jobs.cancel, "anna", "mark", books.now)
    for job in ("unknown", "mark"):
        assert books.write(jobs.set_suspended, "anna", job, True, books.now) is None


def overdue(books: Bookkeeper) -> list[str]:
    found = books.read(live.overdue, books.now, 10)
    steps = [books.write(live.end_overdue, *key, books.now) for key in found]
    return [step.row["job_id"] for step in steps if step is not None]


def test_a_job_past_its_deadline_fails_once(books: Bookkeeper) -> None:
    books.start(active_deadline_seconds=10)
    books.now += 10
    assert overdue(books) == []
    books.now += 1
    assert (overdue(books), overdue(books)) == (["job"], [])
    assert (books.row()["state"], books.row()["reason"]) == (JobState.FAILED, "deadline_exceeded")


def test_the_deadlines_clock_stands_still_while_a_job_is_suspended(books: Bookkeeper) -> None:
    books.start(active_deadline_seconds=10)
    books.now += 6
    suspend(books, True)
    books.now += 1000
    assert overdue(books) == []
    suspend(books, False)
    books.now += 4
    assert overdue(books) == []
    books.now += 1
    assert overdue(books) == ["job"]


def test_a_job_that_ended_has_no_deadline_left(books: Bookkeeper) -> None:
    books.analysed(["brot"], active_deadline_seconds=10)
    books.record(chunk(["brot"]))
    books.now += 100
    assert overdue(books) == []
    assert books.write(live.end_overdue, "anna", "job", books.now) is None
