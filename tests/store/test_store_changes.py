"""What changed of all tenants: a walk by a cursor, which misses nothing that commits late."""

import base64
import bisect
import json
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.store.bookkeeper import LEASE_SECONDS, Bookkeeper, analysis, chunk, spec

from levain_training.store import analyses, changes, jobs, live
from levain_training.store.changes import OVERLAP_SECONDS, Cursor, UnreadableCursor, cursor_of


def walk(books: Bookkeeper, cursor: Cursor, limit: int) -> tuple[list[tuple[str, str]], Cursor]:
    """All that changed behind the cursor, and where to begin the next time."""
    found: list[tuple[str, str]] = []
    while True:
        rows = books.read(changes.changed, cursor, limit)
        found += [(r["tenant_id"], r["job_id"]) for r in rows]
        last = (rows[-1]["updated_at"], rows[-1]["tenant_id"], rows[-1]["job_id"]) if rows else None
        cursor = cursor_of(cursor.following(last, full=len(rows) == limit, now=books.now).text())
        if len(rows) < limit:
            return found, cursor


def test_jobs_of_all_tenants_come_in_the_order_of_their_changes_page_by_page(books: Bookkeeper) -> None:
    for tenant in ("bert", "anna"):
        for job in ("one", "two"):
            books.start(tenant, job)
    books.now += 1
    books.start("carl", "late")
    for limit in (1, 2, 3, 100):
        found, _ = walk(books, Cursor(), limit)
        assert found == [("anna", "one"), ("anna", "two"), ("bert", "one"), ("bert", "two"), ("carl", "late")]


def test_what_did_not_change_comes_again_only_within_the_overlap(books: Bookkeeper) -> None:
    books.start(job="old")
    books.now += OVERLAP_SECONDS + 1
    _, cursor = walk(books, Cursor(), 10)
    assert walk(books, cursor, 10)[0] == []
    books.start(job="new")
    found, cursor = walk(books, cursor, 10)
    assert found == [("anna", "new")]
    assert walk(books, cursor, 10)[0] == [("anna", "new")]  # it may have a neighbour that commits late
    books.now += OVERLAP_SECONDS + 1
    _, cursor = walk(books, cursor, 10)
    assert walk(books, cursor, 10)[0] == []


def test_each_step_that_one_can_see_is_a_change_and_no_other_is(books: Bookkeeper) -> None:
    def changes_by(step: Callable[[], object]) -> bool:
        books.now += OVERLAP_SECONDS + 1
        _, cursor = walk(books, Cursor(), 10)
        books.now += OVERLAP_SECONDS + 1
        step()
        return walk(books, cursor, 10)[0] == [("anna", "job")]

    def step(query: Callable[..., object], *args: object) -> Callable[[], object]:
        return lambda: books.write(query, "anna", "job", *args, books.now)

    assert changes_by(lambda: books.start(active_deadline_seconds=10_000))
    row = books.claim()
    assert not changes_by(lambda: books.write(analyses.renew, row, "analyst", books.now + LEASE_SECONDS))
    assert changes_by(lambda: books.write(analyses.give_back, row, "analyst", books.now, counts=True))
    assert changes_by(books.claim)
    assert changes_by(lambda: books.write(analyses.finish, row, "analyst", analysis(["brot", "brezel"]), books.now))
    assert not changes_by(books.take)
    assert not changes_by(lambda: books.write(jobs.lock, "anna", "job"))
    assert not changes_by(lambda: books.write(live.mark_published, {("anna", "job"): 2}))
    assert changes_by(lambda: books.record(chunk(["brot"])))
    assert not changes_by(lambda: books.record(chunk(["brot"])))
    for suspended in (True, False):
        assert changes_by(step(jobs.set_suspended, suspended))
    books.now += 20_000
    assert changes_by(step(live.end_overdue))


def test_a_cancel_and_a_spec_that_comes_after_it_are_changes(books: Bookkeeper) -> None:
    books.write(jobs.cancel, "anna", "early", books.now)
    books.start(job="job")
    for change in (jobs.cancel, lambda c, tenant, _, now: jobs.create(c, tenant, "early", spec(), {}, now)):
        _, cursor = walk(books, Cursor(), 10)
        books.now += OVERLAP_SECONDS + 1
        _, cursor = walk(books, cursor, 10)
        books.write(change, "anna", "job", books.now)
        assert len(walk(books, cursor, 10)[0]) == 1


def test_a_slow_clock_takes_no_change_back(books: Bookkeeper) -> None:
    books.analysed(["brot", "brezel"])
    books.now -= 3
    assert books.record(chunk(["brot"])).events
    assert books.row()["updated_at"] == books.now + 3


def test_a_mark_of_an_early_cancel_is_no_job(books: Bookkeeper) -> None:
    books.write(jobs.cancel, "anna", "never-was", books.now)
    assert walk(books, Cursor(), 10)[0] == []


def sealed(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "e30=", "WzEsMl0=", "bnVsbA==", "ÿ"),
        sealed(1.0, "anna\0", "job", None),
        sealed(1.0, "anna", "\ud800", None),
        sealed(1.0, ["anna"], "job", None),
        sealed(10**400, "anna", "job", None),
        sealed(1.0, "anna", "job", math.inf),
        sealed(math.nan, "anna", "job", None),
    ],
)
def test_a_cursor_that_is_none_of_ours_is_refused(text: str) -> None:
    with pytest.raises(UnreadableCursor):
        cursor_of(text)


# Changes as (moment, delay until it is committed and can be read), questions as moments.
MOMENTS = st.floats(0, 60).map(lambda s: round(s, 2))
CHANGES = st.lists(st.tuples(MOMENTS, st.floats(0, OVERLAP_SECONDS - 0.01)), max_size=30)


@given(changes=CHANGES, questions=st.lists(MOMENTS, max_size=20), limit=st.integers(1, 5))
def test_whatever_commits_late_within_the_overlap_is_seen_and_each_walk_ends(
    changes: list[tuple[float, float]], questions: list[float], limit: int
) -> None:
    rows = sorted((at, "tenant", f"job-{i:02}", at + delay) for i, (at, delay) in enumerate(changes))
    seen, cursor = set[str](), Cursor()
    for now in [*sorted(questions), 100.0, 200.0]:
        for _ in range(len(rows) + 2):
            readable = [row[:3] for row in rows if row[3] <= now]
            page = readable[bisect.bisect_right(readable, cursor[:3]) :][:limit]
            seen |= {job for _, _, job in page}
            cursor = cursor.following(page[-1] if page else None, full=len(page) == limit, now=now)
            if len(page) < limit:
                break
        else:
            raise AssertionError("the walk does not end")
    assert seen == {row[2] for row in rows}
