"""Schedules against a clockwork that looks at each minute."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.kubernetes.clockwork import Clockwork

from levain_contracts.kubernetes.training_schedule import MAX_RECENT_TIMES
from levain_operator.cron import BadSchedule, Cron, due, remember

# Each zone shortly before its clocks are moved, and one whose clocks never are. A whole day is left out in Apia.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Antarctica/Troll", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("UTC", datetime(2026, 3, 29, 1, tzinfo=UTC)),
]


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    ranges = st.tuples(st.integers(low, high - 1), st.integers(low, high)).filter(lambda r: r[0] < r[1])
    return st.one_of(
        st.just("*"),
        st.integers(2, 30).map(lambda step: f"*/{step}") if high == 59 else st.just("*/2"),
        st.integers(low, high).map(str),
        st.lists(st.integers(low, high), min_size=2, max_size=3).map(lambda n: ",".join(map(str, n))),
        ranges.map(lambda r: f"{r[0]}-{r[1]}"),
        st.tuples(ranges, st.integers(1, 5)).map(lambda r: f"{r[0][0]}-{r[0][1]}/{r[1]}"),
    )


schedules = st.builds(
    " ".join,
    st.tuples(numbers(0, 59), numbers(0, 5) | numbers(0, 23), st.just("*") | numbers(1, 28), st.just("*"), st.just("*") | numbers(0, 6)),
)


@settings(max_examples=150, deadline=None)
@example("* * * * 5", ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)), 1, 1)  # the Friday that Samoa left out
@given(schedules, st.sampled_from(CHANGES), st.integers(0, 2000), st.integers(1, 1500))
def test_the_newest_and_the_next_time_are_those_of_a_clock_that_looks_at_each_minute(
    schedule: str, change: tuple[str, datetime], before: int, minutes: int
) -> None:
    zone, at = change
    since = at - timedelta(minutes=before)
    until = since + timedelta(minutes=minutes)
    cron, clockwork = Cron(schedule, zone), Clockwork(schedule, zone)
    assert cron.newest(since, until) == max(clockwork.between(since, until), default=None)
    soon = clockwork.between(since, since + timedelta(days=2))
    if soon:
        assert cron.next_after(since) == soon[0]


def times(schedule: str, zone: str, day: datetime, days: int = 1) -> list[str]:
    cron, found, time = Cron(schedule, zone), [], cron_start(day)
    while (upcoming := cron.next_after(time)) is not None and upcoming < day + timedelta(days=days):
        found.append(upcoming.strftime("%d %H:%M"))
        time = upcoming
    return found


def cron_start(day: datetime) -> datetime:
    return day - timedelta(microseconds=1)


def test_a_time_that_the_clocks_jump_over_comes_when_they_have_jumped() -> None:
    assert times("30 2 * * *", "Europe/Paris", datetime(2026, 3, 28, tzinfo=UTC), 3) == ["28 01:30", "29 01:00", "30 00:30"]


def test_two_times_that_the_clocks_jump_over_come_once() -> None:
    assert times("0,30 2 * * *", "Europe/Paris", datetime(2026, 3, 29, tzinfo=UTC)) == ["29 01:00"]


def test_a_time_that_is_there_twice_comes_once() -> None:
    assert times("30 2 * * *", "Europe/Paris", datetime(2026, 10, 24, tzinfo=UTC), 3) == ["24 00:30", "25 00:30", "26 01:30"]


def test_a_schedule_of_minutes_follows_real_time_through_both_hours() -> None:
    assert len(times("*/15 * * * *", "Europe/Paris", datetime(2026, 10, 25, tzinfo=UTC))) == 96
    assert len(times("*/15 2 * * *", "Europe/Paris", datetime(2026, 10, 25, tzinfo=UTC))) == 8
    assert times("*/15 2 * * *", "Europe/Paris", datetime(2026, 3, 29, tzinfo=UTC)) == []


def test_the_newest_time_of_years_is_found_without_looking_at_each() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert Cron("* * * * *", "UTC").newest(datetime(1990, 1, 1, tzinfo=UTC), now) == now
    assert Cron("0 0 29 2 *", "UTC").newest(datetime(1990, 1, 1, tzinfo=UTC), now) == datetime(2024, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "zone", "words"),
    [
        ("61 * * * *", "UTC", "Bad minute"),
        ("* * * *", "UTC", "five fields"),
        ("0 0 2 * * *", "UTC", "five fields"),
        ("0 0 31 2 *", "UTC", "Bad day-of-month"),
        ("0 0 */20 * 1L", "UTC", "no time within 50 years"),
        ("* * * * *", "Europe/Pariss", "no time zone"),
        ("* * * * *", "Europe", "no time zone"),
        ("* * * * *", "../etc/passwd", "no time zone"),
        ("* * * * *", "", "no time zone"),
        ("", "UTC", "five fields"),
    ],
)
def test_what_is_no_schedule_is_refused_in_one_line(schedule: str, zone: str, words: str) -> None:
    with pytest.raises(BadSchedule, match=words) as refused:
        Cron(schedule, zone)
    assert "\n" not in str(refused.value)


START = datetime(2026, 3, 1, tzinfo=UTC)


def minute(n: int) -> datetime:
    return START + timedelta(minutes=n)


def test_a_time_is_made_up_for_until_its_deadline_and_not_after() -> None:
    cron = Cron("0 0 * * *", "UTC")
    for late, expected in ((0, START), (600, START), (600.000001, None)):
        now = START + timedelta(seconds=late)
        assert due(cron, recent=(), created_at=START - timedelta(days=1, seconds=1), now=now, deadline_seconds=600) == expected


def test_nothing_before_the_schedule_was_made_is_due() -> None:
    assert due(Cron("0 0 * * *", "UTC"), recent=(), created_at=START, now=minute(5), deadline_seconds=None) is None


def test_a_memory_that_is_full_of_the_future_lets_nothing_start_twice() -> None:
    future = tuple(minute(1000 + n) for n in range(MAX_RECENT_TIMES))
    cron = Cron("* * * * *", "UTC")
    assert due(cron, recent=future, created_at=START, now=minute(5), deadline_seconds=None) is None
    assert due(cron, recent=future[1:], created_at=START, now=minute(5), deadline_seconds=None) == minute(5)


def test_the_memory_keeps_the_newest_times_once_and_in_order() -> None:
    kept = remember((minute(3), minute(1)), minute(2), minute(3))
    assert kept == (minute(1), minute(2), minute(3))
    many = remember((), *(minute(n) for n in range(100)))
    assert many == tuple(minute(n) for n in range(100 - MAX_RECENT_TIMES, 100))
