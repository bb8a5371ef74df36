"""Claiming a job for its analysis: one analyst at a time, and a dead one's work is taken over."""

import pytest
from tests.store.bookkeeper import LEASE_SECONDS, SHA, Bookkeeper, analysis, chunk

from levain_contracts.jobs import JobState
from levain_training.store import analyses, datasets, jobs


def claimed(books: Bookkeeper, analyst: str = "analyst") -> str | None:
    found = books.write(analyses.claim, analyst, books.now, LEASE_SECONDS)
    return None if found is None else found.row["job_id"]


def test_the_oldest_job_is_claimed_first_and_each_only_once(books: Bookkeeper) -> None:
    for job in ("first", "second", "third"):
        books.now += 1
        books.start(job=job)
    assert [claimed(books, a) for a in ("one", "two", "one", "two")] == ["first", "second", "third", None]
    assert books.row(job="first")["state"] == JobState.ANALYSING
    assert books.row(job="first")["started_at"] == books.now


def test_a_job_whose_analyst_is_silent_is_taken_over_and_the_first_analysts_end_changes_nothing(books: Bookkeeper) -> None:
    books.start()
    first = books.claim("one")
    books.now += LEASE_SECONDS
    assert claimed(books, "two") is None
    books.now += 1
    found = books.write(analyses.claim, "two", books.now, LEASE_SECONDS)
    assert found is not None and found.taken_over
    second = found.row
    assert books.write(analyses.renew, first, "one", books.now + 99) is False
    assert books.write(analyses.finish, first, "one", analysis(["brot"]), books.now) is None
    assert books.write(analyses.fail, first, "one", "reason", "message", books.now) is None
    books.write(analyses.give_back, first, "one", books.now, counts=True)
    assert books.row()["analyst"] == "two"
    assert books.write(analyses.finish, second, "two", analysis(["brezel"]), books.now) is not None
    assert [p.product_id for p in books.products()] == ["brezel"]


def test_an_analyst_that_renews_its_lease_keeps_the_job(books: Bookkeeper) -> None:
    books.start()
    row = books.claim("one")
    for _ in range(3):
        books.now += LEASE_SECONDS / 2
        assert books.write(analyses.renew, row, "one", books.now + LEASE_SECONDS)
        assert claimed(books, "two") is None


@pytest.mark.parametrize(("counts", "tries"), [(True, 2), (False, 1)])
def test_a_job_that_is_given_back_is_claimed_again_and_a_stop_does_not_count_as_a_try(books: Bookkeeper, counts: bool, tries: int) -> None:
    books.start()
    books.write(analyses.give_back, books.claim("one"), "one", books.now, counts=counts)
    assert books.row()["state"] == JobState.PENDING
    assert books.claim("two")["analyses"] == tries


def test_a_job_that_failed_an_analyst_lets_the_others_go_first(books: Bookkeeper) -> None:
    books.start(job="bad")
    books.write(analyses.give_back, books.claim(), "analyst", books.now, counts=True)
    books.now += 1
    books.start(job="good")
    assert [claimed(books), claimed(books)] == ["good", "bad"]


def test_a_job_that_is_cancelled_while_it_is_analysed_stays_cancelled(books: Bookkeeper) -> None:
    books.start()
    row = books.claim()
    books.write(jobs.cancel, "anna", "job", books.now)
    assert books.write(analyses.renew, row, "analyst", books.now + 99) is False
    assert books.write(analyses.finish, row, "analyst", analysis(["brot"]), books.now) is None
    books.write(analyses.give_back, row, "analyst", books.now, counts=True)
    assert books.row()["state"] == JobState.CANCELLED
    assert books.products() == []
    assert claimed(books) is None


def test_a_suspended_job_is_not_claimed_until_its_resume(books: Bookkeeper) -> None:
    books.start()
    books.write(jobs.set_suspended, "anna", "job", True, books.now)
    assert claimed(books) is None
    books.write(jobs.set_suspended, "anna", "job", False, books.now)
    assert claimed(books) == "job"


def test_a_job_that_is_suspended_while_it_is_analysed_hands_out_nothing_when_that_is_done(books: Bookkeeper) -> None:
    books.start()
    row = books.claim()
    books.write(jobs.set_suspended, "anna", "job", True, books.now)
    assert books.write(analyses.finish, row, "analyst", analysis(["brot"]), books.now) is not None
    assert books.take() == []
    books.write(jobs.set_suspended, "anna", "job", False, books.now)
    assert len(books.take()) == 1


def test_an_analysis_that_fails_ends_the_job_with_its_reason_and_one_terminal_event(books: Bookkeeper) -> None:
    books.start()
    step = books.write(analyses.fail, books.claim(), "analyst", "ambiguous_dates", "line 2\nor 3", books.now)
    assert step is not None
    assert [(e.seq, e.terminal, e.progress) for e in step.events] == [(2, True, 0)]
    row = books.row()
    assert (row["state"], row["reason"], row["message"]) == (JobState.FAILED, "ambiguous_dates", "line 2 or 3")


def test_a_mark_of_an_early_cancel_is_never_claimed(books: Bookkeeper) -> None:
    books.write(jobs.cancel, "anna", "job", books.now)
    assert claimed(books) is None


def test_the_last_trained_job_is_the_newest_completed_one_on_the_same_dataset(books: Bookkeeper) -> None:
    def train(job: str, name: str, tenant: str = "anna", complete: bool = True) -> None:
        books.now += 1
        books.start(tenant, job, dataset={"dataset_name": name, "dataset_sha256": SHA})
        books.write(analyses.finish, books.claim(), "analyst", analysis(["brot"]), books.now)
        if complete:
            books.record(chunk(["brot"], tenant=tenant, job=job))

    train("old", "sales")
    train("new", "sales")
    train("other", "visits")
    train("foreign", "sales", tenant="bert")
    train("open", "sales", complete=False)
    found = books.read(analyses.last_trained, books.row(job="open"))
    assert found is not None
    assert found["job_id"] == "new"
    assert books.read(analyses.last_trained, books.row(job="other")) is None


@pytest.mark.parametrize("end", ["finish", "fail", "cancel"])
def test_bytes_that_were_kept_for_a_waiting_job_alone_go_when_it_has_read_them(books: Bookkeeper, end: str) -> None:
    books.write(datasets.add_version, "anna", "sales", SHA, 4, lambda: [b"date"], books.now)
    books.start()
    row = books.claim()
    books.write(datasets.delete, "anna", "sales")
    assert books.read(datasets.read_blob_part, "anna", SHA, 0) == b"date"
    if end == "finish":
        books.write(analyses.finish, row, "analyst", analysis(["brot"]), books.now)
    elif end == "fail":
        books.write(analyses.fail, row, "analyst", "reason", "message", books.now)
    else:
        books.write(jobs.cancel, "anna", "job", books.now)
    assert books.read(datasets.read_blob_part, "anna", SHA, 0) is None
