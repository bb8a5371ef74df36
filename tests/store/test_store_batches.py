"""What goes out: at most W batches of a job, each with a lease; what is lost goes out again."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from tests.store.bookkeeper import LEASE_SECONDS, Bookkeeper, analysis, chunk

from levain_contracts.jobs import JobState
from levain_contracts.tasks import MAX_BATCH_BYTES, ResultChunk, TrainingTask, encode
from levain_training.store import analyses, batches, jobs, tables
from levain_training.store.batches import Taste

LARGE = Taste(by_shop=False, products_per_batch=1000)
BY_SHOP = Taste(by_shop=True, products_per_batch=1000)


def names(count: int) -> list[str]:
    return [f"p{i:05}" for i in range(count)]


def products(task: TrainingTask) -> list[str]:
    return [s.product_id for s in task.series]


def done(task: TrainingTask) -> ResultChunk:
    return chunk(products(task), batch=task.batch)


def again(books: Bookkeeper) -> list[TrainingTask]:
    keys = books.read(batches.lapsed, books.now, 100)
    tasks = [books.take_again(*key) for key in keys]
    return [task for task in tasks if task is not None]


def test_a_task_carries_all_that_its_training_needs(books: Bookkeeper) -> None:
    closed = date(2024, 1, 2)
    books.start(horizon_days=7, model="ets")
    found = analysis(["brot", "brezel"], shops={"brot": "Nord", "brezel": "Nord"}, closed=[closed])
    books.write(analyses.finish, books.claim(), "analyst", found, books.now)
    (task,) = books.take(1)
    assert (task.tenant_id, task.job_id, task.batch, task.alone) == ("anna", "job", 1, False)
    assert (task.model, task.horizon_days, task.dataset_sha256, task.forecast_start) == ("ets", 7, "a" * 64, date(2024, 2, 5))
    assert [(c.shop, c.closed) for c in task.calendars] == [("Nord", [closed])]
    assert [(s.product_id, s.product, s.shop, s.values) for s in task.series] == [("brezel", "Brezel", "Nord", [1.5] * 3)]


@pytest.mark.parametrize("max_out", [1, 3, 8])
def test_never_more_than_w_batches_of_a_job_are_out_and_all_products_go_out_once(books: Bookkeeper, max_out: int) -> None:
    books.analysed(names(60))
    out: list[TrainingTask] = []
    seen: list[str] = []
    while tasks := books.take(max_out) or out:
        out += [t for t in tasks if t not in out]
        assert len(out) <= max_out
        assert books.take(max_out) == []
        books.record(done(task := out.pop(0)))
        seen += products(task)
    assert sorted(seen) == names(60)
    assert books.row()["state"] == JobState.COMPLETED


def test_batches_shrink_towards_the_end_so_that_all_workers_end_together(books: Bookkeeper) -> None:
    books.analysed(names(400))
    sizes = []
    while tasks := books.take(2, taste=LARGE):
        sizes += [len(task.series) for task in tasks]
        for task in tasks:
            books.record(done(task))
    assert sum(sizes) == 400
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (100, 1)


def test_a_batch_is_never_larger_than_the_trainer_likes_or_a_task_may_be(books: Bookkeeper) -> None:
    books.analysed(names(2000))
    assert {len(t.series) for t in books.take(3, taste=Taste(False, 5))} == {5}
    assert [len(t.series) for t in books.take(4, taste=LARGE)] == [2000 // 8]
    books.analysed(names(2000), job="by-shop")
    assert [len(t.series) for t in books.take(100, job="by-shop", taste=BY_SHOP)] == [250] * 8


def test_a_trainer_by_shop_gets_a_large_shop_in_even_parts_and_small_shops_whole_and_together(books: Bookkeeper) -> None:
    shops = {name: f"shop-{i % 2}" for i, name in enumerate(names(20))} | dict.fromkeys(names(320)[20:], "big")
    books.analysed(names(321), shops=shops)
    tasks = books.take(100, taste=BY_SHOP)
    assert [{s.shop for s in task.series} for task in tasks] == [{"big"}, {"big"}, {None, "shop-0", "shop-1"}]
    assert [len(task.series) for task in tasks] == [150, 150, 21]


def test_two_runs_of_a_job_give_the_same_parts_however_they_are_taken(books: Bookkeeper) -> None:
    for job, order in (("one", names(600)), ("another", names(600)[::-1])):
        books.analysed(order, job=job)
    at_once = books.take(100, job="one", taste=BY_SHOP)
    one_by_one = []
    while tasks := books.take(1, job="another", taste=BY_SHOP):
        books.record(chunk(products(tasks[0]), batch=tasks[0].batch, job="another"))
        one_by_one += tasks
    assert [products(t) for t in at_once] == [products(t) for t in one_by_one]
    assert [len(t.series) for t in at_once] == [200, 200, 200]


def test_many_tiny_shops_cost_few_round_trips(books: Bookkeeper) -> None:
    shops = {name: f"shop-{i // 5:03}" for i, name in enumerate(names(1500))}
    books.analysed(names(1500), shops=shops)
    tasks = books.take(100, taste=BY_SHOP)
    assert [len(t.series) for t in tasks] == [250] * 6
    assert sum(len({s.shop for s in t.series}) for t in tasks) == 300


def test_a_part_whose_bytes_exceed_a_task_is_cut_evenly(books: Bookkeeper) -> None:
    books.start()
    books.write(analyses.finish, books.claim(), "analyst", analysis(names(200), days=10_000), books.now)
    tasks = books.take(100, taste=BY_SHOP)
    assert [len(encode(t)) <= MAX_BATCH_BYTES for t in tasks] == [True] * len(tasks)
    assert len(tasks) > 1
    assert max(len(t.series) for t in tasks) - min(len(t.series) for t in tasks) <= 1


def test_a_job_that_an_older_version_analysed_goes_out_by_shop(books: Bookkeeper) -> None:
    shops = dict.fromkeys(names(300), "big") | {"p99998": "small", "p99999": "small"}
    books.analysed(shops, shops=shops)
    books.write(lambda connection: connection.execute(sa.update(tables.products).values(part=None)))
    tasks = books.take(100, taste=BY_SHOP)
    assert [(len(t.series), {s.shop for s in t.series}) for t in tasks] == [(256, {"big"}), (44, {"big"}), (2, {"small"})]


def test_a_task_stays_within_its_bytes_with_series_and_calendars(books: Bookkeeper) -> None:
    """256 shops with a long calendar each: the calendars are far larger than the series."""
    shops = {name: f"Bäckerei {name}" for name in names(200)}
    closed = [date(1990, 1, 1) + timedelta(days=i) for i in range(5000)]
    books.start()
    books.write(analyses.finish, books.claim(), "analyst", analysis(names(200), shops=shops, closed=closed, days=2000), books.now)
    sizes = []
    while tasks := books.take(1, taste=Taste(False, 256)):
        sizes += [len(encode(task)) for task in tasks]
        books.record(done(tasks[0]))
    assert books.row()["state"] == JobState.COMPLETED
    assert MAX_BATCH_BYTES * 0.9 < max(sizes) <= MAX_BATCH_BYTES


def test_large_series_are_cut_into_more_batches(books: Bookkeeper) -> None:
    books.start()
    books.write(analyses.finish, books.claim(), "analyst", analysis(names(160), days=20_000), books.now)
    (task,) = books.take(1, taste=Taste(False, 256))
    assert MAX_BATCH_BYTES * 0.9 < len(encode(task)) <= MAX_BATCH_BYTES
    assert len(task.series) < 80


def test_a_suspended_job_hands_out_nothing_and_goes_on_with_what_was_finished(books: Bookkeeper) -> None:
    books.analysed(names(12))
    first = books.take(1)[0]
    books.write(jobs.set_suspended, "anna", "job", True, books.now)
    books.record(done(first))
    assert books.take(1) == []
    books.now += 10 * LEASE_SECONDS
    assert books.read(batches.waiting_jobs, 8, books.now, 10) == []
    books.write(jobs.set_suspended, "anna", "job", False, books.now)
    rest = [n for task in books.take(100) for n in products(task)]
    assert sorted(rest + products(first)) == names(12)


def test_a_suspended_jobs_lapsed_batch_goes_out_again_after_its_resume(books: Bookkeeper) -> None:
    books.analysed(names(3))
    (key,) = [("anna", "job", task.batch) for task in books.take(1)]
    books.write(jobs.set_suspended, "anna", "job", True, books.now)
    books.now += 2 * LEASE_SECONDS
    assert books.read(batches.lapsed, books.now, 10) == []
    assert books.write(batches.take_again, *key, books.now, LEASE_SECONDS) is None
    books.write(jobs.set_suspended, "anna", "job", False, books.now)
    assert len(again(books)) == 1


def test_a_lapsed_batch_goes_out_again_once_with_what_is_still_open(books: Bookkeeper) -> None:
    books.analysed(names(100))
    (task,) = books.take(1, taste=Taste(False, 4))
    books.record(chunk(products(task)[:2], batch=task.batch))
    books.now += LEASE_SECONDS
    assert again(books) == []
    books.now += 1
    (second,) = again(books)
    assert (second.batch, products(second), second.alone) == (task.batch, products(task)[2:], False)
    assert again(books) == []


def test_results_renew_the_lease_of_their_batch_and_of_no_other(books: Bookkeeper) -> None:
    books.analysed(names(100))
    busy, silent = books.take(2)
    for product in products(busy)[:3]:
        books.now += 0.7 * LEASE_SECONDS
        books.record(chunk([product], batch=busy.batch))
    assert [t.batch for t in again(books)] == [silent.batch]


def test_a_batch_of_which_nothing_is_open_makes_room_and_does_not_go_out_again(books: Bookkeeper) -> None:
    books.analysed(names(100))
    (task,) = books.take(1)
    books.record(done(task))
    assert len(books.take(1)) == 1
    books.now += 2 * LEASE_SECONDS
    assert task.batch not in [t.batch for t in again(books)]


def test_what_was_sent_is_out_for_its_lease_and_what_could_not_be_sent_lapses_at_once(books: Bookkeeper) -> None:
    books.analysed(names(100))
    sent, *unsent = books.take(3)
    books.write(batches.hold, [sent], unsent, books.now + 3 * LEASE_SECONDS)
    assert sorted(t.batch for t in again(books)) == [t.batch for t in unsent]
    books.now += 2 * LEASE_SECONDS
    assert sent.batch not in [t.batch for t in again(books)]
    books.now += 2 * LEASE_SECONDS
    assert sent.batch in [t.batch for t in again(books)]


def test_after_a_loss_of_the_whole_broker_every_batch_goes_out_again(books: Bookkeeper) -> None:
    books.analysed(names(100))
    tasks = books.take(5)
    books.write(batches.lapse_all)
    assert sorted(t.batch for t in again(books)) == [t.batch for t in tasks]


def test_an_ended_job_has_nothing_out(books: Bookkeeper) -> None:
    books.analysed(names(10))
    (task, *_) = books.take(2)
    books.write(jobs.cancel, "anna", "job", books.now)
    books.now += 2 * LEASE_SECONDS
    assert (books.take(), again(books), books.write(batches.isolate, task)) == ([], [], 0)


def test_the_products_of_a_dead_batch_go_out_alone_after_the_others_and_within_w(books: Bookkeeper) -> None:
    books.analysed(names(16))
    dead, other = books.take(2, taste=Taste(False, 4))
    books.record(chunk(products(dead)[:1], batch=dead.batch))
    assert books.write(batches.isolate, dead) == 3
    assert books.write(batches.isolate, dead) == 0  # the dead letter came twice
    books.record(done(other))
    sent: list[TrainingTask] = []
    while tasks := books.take(2, taste=Taste(False, 4)):
        assert len(tasks) <= 2
        sent += tasks
        for task in tasks:
            books.record(done(task))
    assert [products(t) for t in sent if t.alone] == [[n] for n in products(dead)[1:]]
    assert [t.alone for t in sent] == sorted(t.alone for t in sent)
    assert books.row()["state"] == JobState.COMPLETED


def test_a_lapsed_product_that_went_out_alone_goes_out_alone_again(books: Bookkeeper) -> None:
    books.analysed(names(1))
    (task,) = books.take()
    books.write(batches.isolate, task)
    (alone,) = books.take()
    books.now += 2 * LEASE_SECONDS
    (second,) = again(books)
    assert (alone.alone, second.alone, second.batch) == (True, True, alone.batch)


def test_a_dead_batch_that_went_out_again_meanwhile_is_not_torn_apart(books: Bookkeeper) -> None:
    """Its products are in other batches by then."""
    books.analysed(names(8))
    (task,) = books.take(1)
    books.write(batches.isolate, task)
    taken = books.take(100)
    assert books.write(batches.isolate, task) == 0
    assert len(taken) > 1


def test_a_late_result_of_a_dead_batch_makes_room_where_its_product_went_out_again(books: Bookkeeper) -> None:
    books.analysed(names(4))
    (dead,) = books.take(1, taste=Taste(False, 2))
    books.write(batches.isolate, dead)
    while not (task := books.take(1)[0]).alone:
        books.record(done(task))
    books.record(chunk(products(task), batch=dead.batch))
    assert len(books.take(1)) == 1


def test_a_suspended_jobs_dead_batch_waits_for_its_resume(books: Bookkeeper) -> None:
    books.analysed(names(4))
    (dead,) = books.take(1, taste=Taste(False, 2))
    books.write(jobs.set_suspended, "anna", "job", True, books.now)
    assert books.write(batches.isolate, dead) == len(dead.series)
    assert books.take() == []
    books.write(jobs.set_suspended, "anna", "job", False, books.now)
    assert sorted(n for t in books.take() for n in products(t)) == names(4)


def test_a_job_with_room_and_waiting_products_is_found_when_nothing_moved_for_a_while(books: Bookkeeper) -> None:
    books.analysed(names(12))
    assert books.read(batches.waiting_jobs, 2, books.now, 10) == []
    books.now += 5
    assert waiting(books) == ["job"]
    tasks = books.take(2)
    assert waiting(books) == []  # as many are out as may be
    books.record(done(tasks[0]))
    assert waiting(books) == []  # it has just moved
    books.now += 5
    assert waiting(books) == ["job"]
    while taken := books.take(2):
        for task in taken:
            books.record(done(task))
    books.record(done(tasks[1]))
    books.now += 5
    assert waiting(books) == []


def waiting(books: Bookkeeper) -> list[str]:
    found: list[sa.RowMapping] = books.read(batches.waiting_jobs, 2, books.now - 1, 10)
    return [row["job_id"] for row in found]
