"""Uploads, deletes and jobs on the same bytes at the same instant: whoever needs them has them, and nobody else keeps them."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.store.bookkeeper import SHA, Bookkeeper, at_once, spec
from tests.store.databases import Database

from levain_training.store import datasets, jobs

STANDS_SECONDS = 0.3

Step = Callable[[sa.Connection], Any]


@pytest.fixture
def replicas(database: Database) -> Iterator[list[Bookkeeper]]:
    with Bookkeeper(database.url) as one, Bookkeeper(database.url) as two:
        yield [one, two]


def amid(replicas: list[Bookkeeper], first: Step, second: Step) -> list[Any]:
    """The second begins when the first has done all but its commit."""
    written = threading.Event()

    def stands(connection: sa.Connection) -> Any:
        result = first(connection)
        written.set()
        time.sleep(STANDS_SECONDS)
        return result

    def follows() -> Any:
        assert written.wait(10)
        return replicas[1].write(second)

    return at_once([lambda: replicas[0].write(stands), follows])


def upload(name: str) -> Step:
    return lambda connection: datasets.add_version(connection, "anna", name, SHA, 4, lambda: [b"date"], 1000.0)


def delete(connection: sa.Connection) -> bool:
    return datasets.delete(connection, "anna", "sales")


def start(connection: sa.Connection) -> bool:
    """As a request does. False where the dataset is gone."""
    found = datasets.latest(connection, "anna", "sales")
    if found is None:
        return False
    columns = {"dataset_name": found.name, "dataset_version": found.version, "dataset_sha256": found.sha256}
    return jobs.create(connection, "anna", "job", spec(), columns, 1000.0) is not None


def kept(books: Bookkeeper) -> bool:
    return books.read(datasets.read_blob_part, "anna", SHA, 0) == b"date"


@pytest.mark.parametrize(("first", "second"), [(delete, upload("other")), (upload("other"), delete)], ids=["delete first", "upload first"])
def test_a_delete_leaves_the_bytes_that_an_upload_takes_over(
    books: Bookkeeper, replicas: list[Bookkeeper], first: Step, second: Step
) -> None:
    books.write(upload("sales"))
    amid(replicas, first, second)
    assert books.read(datasets.latest, "anna", "sales") is None
    assert kept(books)


def test_an_upload_that_waited_for_another_of_the_same_bytes_keeps_them_too(books: Bookkeeper, replicas: list[Bookkeeper]) -> None:
    def again(connection: sa.Connection) -> None:
        upload("other")(connection)
        amid_deletes.append(threading.Thread(target=books.write, args=(delete,)))
        amid_deletes[0].start()
        time.sleep(STANDS_SECONDS)

    amid_deletes: list[threading.Thread] = []
    amid(replicas, upload("sales"), again)
    amid_deletes[0].join(10)
    assert books.read(datasets.latest, "anna", "sales") is None
    assert kept(books)


@pytest.mark.parametrize("first", [delete, start], ids=["delete first", "start first"])
def test_a_job_that_was_accepted_beside_a_delete_finds_its_bytes(books: Bookkeeper, replicas: list[Bookkeeper], first: Step) -> None:
    books.write(upload("sales"))
    answers = amid(replicas, first, start if first is delete else delete)
    started = answers[first is delete]
    assert started is (first is start)
    assert kept(books) is started


def test_two_jobs_that_end_at_once_leave_no_bytes_behind(books: Bookkeeper, replicas: list[Bookkeeper]) -> None:
    books.write(upload("sales"))
    for job in ("one", "two"):
        books.start(job=job)
    books.write(delete)
    assert kept(books)

    def cancel(job: str) -> Step:
        return lambda connection: jobs.cancel(connection, "anna", job, 1000.0)

    amid(replicas, cancel("one"), cancel("two"))
    assert not kept(books)
