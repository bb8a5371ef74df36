"""The answer to a commit is lost: the step has happened and its caller does not know. Made again, it changes nothing."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.store.bookkeeper import BY_PRODUCT, LEASE_SECONDS, SHA, Bookkeeper, analysis, chunk, spec
from tests.store.databases import on_postgresql

from levain_contracts.tasks import TrainingTask
from levain_training.store import analyses, batches, datasets, jobs, live, results
from levain_training.store.engine import StoreUnavailable
from levain_training.store.tables import metadata

pytestmark = on_postgresql

NAMES = [f"p{i}" for i in range(16)]

Step = Callable[[], Any]


def everything(connection: sa.Connection) -> dict[str, list[Any]]:
    return {t.name: list(connection.execute(sa.select(t).order_by(*t.primary_key))) for t in metadata.sorted_tables}


def lose_the_next_answer(books: Bookkeeper) -> None:
    @event.listens_for(books.engine, "commit", once=True)
    def _committed(connection: sa.Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.commit()
        driver.close()


def create(books: Bookkeeper) -> Iterator[Step]:
    yield lambda: books.write(jobs.create, "anna", "job", spec(), {}, books.now)


def create_once(books: Bookkeeper) -> Iterator[Step]:
    yield lambda: books.write(jobs.create_once, "anna", "job", spec(), dict, books.now, "key")


def finish(books: Bookkeeper) -> Iterator[Step]:
    books.start()
    row = books.claim()
    yield lambda: books.write(analyses.finish, row, "analyst", analysis(NAMES, skipped=["new"]), books.now)


def give_back(books: Bookkeeper) -> Iterator[Step]:
    books.start()
    row = books.claim()
    yield lambda: books.write(analyses.give_back, row, "analyst", books.now, counts=True)


def fail(books: Bookkeeper) -> Iterator[Step]:
    books.start()
    row = books.claim()
    yield lambda: books.write(analyses.fail, row, "analyst", "reason", "message", books.now)


def take(books: Bookkeeper) -> Iterator[Step]:
    books.analysed(NAMES)
    yield lambda: books.write(batches.take, "anna", "job", BY_PRODUCT, 2, books.now, LEASE_SECONDS)


def take_again(books: Bookkeeper) -> Iterator[Step]:
    (task,) = lapsed(books)
    yield lambda: books.write(batches.take_again, "anna", "job", task.batch, books.now, LEASE_SECONDS)


def isolate(books: Bookkeeper) -> Iterator[Step]:
    (task,) = lapsed(books)
    yield lambda: books.write(batches.isolate, task)


def lapsed(books: Bookkeeper) -> list[TrainingTask]:
    books.analysed(NAMES)
    tasks = books.take(1)
    books.now += 2 * LEASE_SECONDS
    return tasks


def record(books: Bookkeeper) -> Iterator[Step]:
    books.analysed(NAMES)
    yield lambda: books.write(results.record, chunk(NAMES[:5], bad=NAMES[:1]), books.now, LEASE_SECONDS)


def record_the_last(books: Bookkeeper) -> Iterator[Step]:
    books.analysed(NAMES)
    yield lambda: books.write(results.record, chunk(NAMES), books.now, LEASE_SECONDS)


def cancel(books: Bookkeeper) -> Iterator[Step]:
    books.analysed(NAMES)
    yield lambda: books.write(jobs.cancel, "anna", "job", books.now)


def cancel_before_it_is_known(books: Bookkeeper) -> Iterator[Step]:
    yield lambda: books.write(jobs.cancel, "anna", "job", books.now)


def suspend(books: Bookkeeper) -> Iterator[Step]:
    books.analysed(NAMES)
    yield lambda: books.write(jobs.set_suspended, "anna", "job", True, books.now)


def end_overdue(books: Bookkeeper) -> Iterator[Step]:
    books.start(active_deadline_seconds=5)
    books.now += 6
    yield lambda: books.write(live.end_overdue, "anna", "job", books.now)


def mark_published(books: Bookkeeper) -> Iterator[Step]:
    books.start()
    yield lambda: books.write(live.mark_published, {("anna", "job"): 1})


def delete_a_dataset(books: Bookkeeper) -> Iterator[Step]:
    books.write(datasets.add_version, "anna", "sales", SHA, 4, lambda: [b"date"], books.now)
    yield lambda: books.write(datasets.delete, "anna", "sales")


STEPS = [
    *(create, create_once, finish, give_back, fail, take, take_again, isolate, record, record_the_last),
    *(cancel, cancel_before_it_is_known, suspend, end_overdue, mark_published, delete_a_dataset),
]


@pytest.mark.parametrize("begin", STEPS, ids=lambda begin: begin.__name__)
def test_a_step_that_is_made_again_since_its_answer_was_lost_changes_nothing(
    books: Bookkeeper, begin: Callable[[Bookkeeper], Iterator[Step]]
) -> None:
    (step,) = begin(books)
    before = books.read(everything)
    lose_the_next_answer(books)
    with pytest.raises(StoreUnavailable):
        step()
    after = books.read(everything)
    assert after != before
    books.now += 1
    with suppress(jobs.AlreadyEnded):
        step()
    assert books.read(everything) == after


def test_events_whose_step_has_lost_its_answer_are_found_unpublished(books: Bookkeeper) -> None:
    books.analysed(NAMES)
    books.write(live.mark_published, {("anna", "job"): books.row()["seq"]})
    lose_the_next_answer(books)
    with pytest.raises(StoreUnavailable):
        books.record(chunk(NAMES))
    assert books.record(chunk(NAMES)).events == ()
    (row,) = books.read(live.unpublished, books.now + 1, 10)
    last = books.read(live.last_event, row)
    assert last is not None
    assert last.terminal
