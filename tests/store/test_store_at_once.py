"""Two replicas, or twenty requests, at the same instant."""

from collections.abc import Iterator
from functools import partial
from threading import Barrier

import pytest
from tests.store.bookkeeper import SHA, Bookkeeper, at_once, chunk, spec
from tests.store.databases import Database

from levain_contracts.events import Event
from levain_contracts.jobs import JobState
from levain_training.store import analyses, batches, datasets, jobs

JOBS = [f"job-{i}" for i in range(100)]


@pytest.fixture
def replicas(database: Database) -> Iterator[list[Bookkeeper]]:
    with Bookkeeper(database.url) as one, Bookkeeper(database.url) as two:
        yield [one, two]


def test_jobs_whose_last_two_results_come_at_the_same_instant_all_end_once(books: Bookkeeper, replicas: list[Bookkeeper]) -> None:
    """Field case K13."""
    for job in JOBS:
        books.analysed(["brot", "brezel"], job=job)
    together = Barrier(2)

    def record(replica: Bookkeeper, product: str) -> list[Event]:
        events: list[Event] = []
        for job in JOBS:
            together.wait(20)
            events += replica.record(chunk([product], job=job)).events
        return events

    first, second = at_once([partial(record, replicas[0], "brot"), partial(record, replicas[1], "brezel")])
    rows = [books.row(job=job) for job in JOBS]
    assert {(row["state"], row["products_completed"], row["seq"]) for row in rows} == {(JobState.COMPLETED, 2, 5)}
    ends = [e.job_id for e in first + second if e.terminal]
    assert sorted(ends) == sorted(JOBS)
    assert len({(e.job_id, e.seq) for e in first + second}) == 300


def test_two_copies_of_a_result_at_the_same_instant_count_once(books: Bookkeeper, replicas: list[Bookkeeper]) -> None:
    names = [f"p{i}" for i in range(40)]
    books.analysed(names)

    def record(replica: Bookkeeper) -> int:
        return sum(replica.record(chunk([name])).late for name in names)

    assert sum(at_once([partial(record, replica) for replica in replicas])) == 40
    assert (books.row()["state"], books.row()["products_completed"]) == (JobState.COMPLETED, 40)


def test_two_replicas_never_hand_out_a_product_twice_nor_more_batches_than_allowed(books: Bookkeeper, replicas: list[Bookkeeper]) -> None:
    names = [f"p{i}" for i in range(40)]
    books.analysed(names)
    for _ in range(10):
        first, second = at_once([partial(replica.take, 3) for replica in replicas])
        assert len(first) + len(second) <= 3
        for task in first + second:
            done = [s.product_id for s in task.series]
            assert not set(done) - set(names)
            names = [n for n in names if n not in done]
            books.record(chunk(done, batch=task.batch))
    while names and (tasks := books.take(3)):
        for task in tasks:
            done = [s.product_id for s in task.series]
            names = [n for n in names if n not in done]
            books.record(chunk(done, batch=task.batch))
    assert names == []
    assert books.row()["state"] == JobState.COMPLETED


def test_twenty_requests_with_one_key_at_the_same_instant_make_one_job(books: Bookkeeper, database: Database) -> None:
    """Field case D25."""
    together = Barrier(20)

    def post(number: int) -> tuple[str, bool]:
        with Bookkeeper(database.url) as one:
            together.wait(20)
            job, step = one.write(jobs.create_once, "anna", f"job-{number}", spec(), dict, 1000.0, "key")
            return job, step is not None

    answers = at_once([partial(post, n) for n in range(20)])
    assert len({job for job, _ in answers}) == 1
    assert [made for _, made in answers].count(True) == 1
    assert len(books.read(jobs.list_jobs, "anna", before=None, limit=100)) == 1


def test_two_puts_of_one_job_at_the_same_instant_start_it_once(replicas: list[Bookkeeper]) -> None:
    def put(replica: Bookkeeper) -> int:
        return sum(replica.write(jobs.create, "anna", job, spec(), {}, 1000.0) is not None for job in JOBS)

    assert sum(at_once([partial(put, replica) for replica in replicas])) == 100


def test_a_cancel_and_a_put_of_one_unknown_job_at_the_same_instant_leave_it_cancelled(
    books: Bookkeeper, replicas: list[Bookkeeper]
) -> None:
    def put() -> None:
        for job in JOBS:
            replicas[0].write(jobs.create, "anna", job, spec(), {}, 1000.0)

    def cancel() -> None:
        for job in JOBS:
            replicas[1].write(jobs.cancel, "anna", job, 1000.0)

    at_once([put, cancel])
    assert {books.row(job=job)["state"] for job in JOBS} == {JobState.CANCELLED}
    assert all(books.row(job=job)["spec"] for job in JOBS)


def test_two_analysts_at_the_same_instant_get_each_job_once(books: Bookkeeper, replicas: list[Bookkeeper]) -> None:
    for job in JOBS:
        books.start(job=job)

    def claim_all(replica: Bookkeeper, analyst: str) -> list[str]:
        mine = []
        while (claimed := replica.write(analyses.claim, analyst, 1000.0, 60.0)) is not None:
            mine.append(claimed.row["job_id"])
        return mine

    first, second = at_once([partial(claim_all, replica, f"analyst-{i}") for i, replica in enumerate(replicas)])
    assert sorted(first + second) == sorted(JOBS)


def test_uploads_under_one_name_at_the_same_instant_are_versions_of_their_own(books: Bookkeeper, replicas: list[Bookkeeper]) -> None:
    def upload(replica: Bookkeeper) -> list[int]:
        return [replica.write(datasets.add_version, "anna", "sales", SHA, 4, lambda: [b"date"], 1000.0).version for _ in range(20)]

    first, second = at_once([partial(upload, replica) for replica in replicas])
    assert sorted(first + second) == list(range(1, 41))
    assert books.read(datasets.read_blob_part, "anna", SHA, 0) == b"date"
    assert books.read(datasets.read_blob_part, "anna", SHA, 1) is None


def test_a_lapsed_batch_is_sent_again_by_one_replica(books: Bookkeeper, replicas: list[Bookkeeper]) -> None:
    books.analysed([f"p{i}" for i in range(40)])
    tasks = books.take(10)
    later = books.now + 1000

    def again(replica: Bookkeeper) -> list[int]:
        keys = replica.read(batches.lapsed, later, 100)
        sent = [replica.write(batches.take_again, *key, later, 60.0) for key in keys]
        return [task.batch for task in sent if task is not None]

    first, second = at_once([partial(again, replica) for replica in replicas])
    assert sorted(first + second) == sorted(task.batch for task in tasks)
