"""A series and its shop's calendar -> the regular daily history that a model is fitted to. Pure; lists hold one entry a day.

A day on which the shop was closed is missing, not zero: else every closing would pull the level of all other days down.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from statistics import fmean, median

from levain_contracts.tasks import Series

WEEK = 7
# A weekday is expected to be closed when the shop was closed on at least 80 % of its last 8 occurrences, of 4 or more: long
# enough that a holiday or two don't make a closing day, short enough that a new one is learnt within two months. Occurrences
# with a whole week of closing around them don't count: a holiday of the whole shop says nothing of the weeks after it.
CLOSING_WEEKS = 8
CLOSING_LEAST_WEEKS = 4
CLOSING_SHARE = 0.8
# Missing days are filled from the same weekday's last 8 known values, or from the last 4 weeks where it has none.
_FILL_VALUES = 8
_FILL_DAYS = 28


@dataclass(frozen=True)
class History:
    """`values`: None where the shop was closed or nothing is known. The first forecast day is the one after the last value."""

    start: date
    values: tuple[float | None, ...]
    closed: frozenset[date] = frozenset()

    @property
    def end(self) -> date:
        """The day after the last one."""
        return self.start + timedelta(days=len(self.values))

    def before(self, days: int) -> "History":
        """Without its last days, as it was known then."""
        return History(self.start, self.values[: len(self.values) - days], self.closed)

    def last(self, days: int) -> "History":
        cut = max(len(self.values) - days, 0)
        return History(self.start + timedelta(days=cut), self.values[cut:], self.closed)

    def known(self) -> list[float]:
        return [v for v in self.values if v is not None]


def history_of(series: Series, closed: Iterable[date], forecast_start: date) -> History:
    """Ends the day before `forecast_start`: days after the series' end are missing, later ones are cut off."""
    days = max((forecast_start - series.start).days, 0)
    values = [max(v, 0.0) if v is not None else None for v in series.values[:days]]
    values += [None] * (days - len(values))
    return History(series.start, tuple(values), frozenset(closed))


def closed_weekdays(history: History) -> frozenset[int]:
    """Weekdays (Monday is 0) on which the shop will be closed, as its last weeks predict."""
    return weekdays_closed(history.closed, history.start, history.end)


def weekdays_closed(closed: frozenset[date], start: date, end: date) -> frozenset[int]:
    """The same of a shop known from `start` to the day before `end`."""
    often = Counter(day.weekday() for day in closed)
    last_week = (end - timedelta(days=back) for back in range(1, WEEK + 1))
    return frozenset(
        day.weekday() for day in last_week if often[day.weekday()] >= CLOSING_LEAST_WEEKS and _closing(closed, start, end, day)
    )


def _closing(closed: frozenset[date], start: date, end: date, newest: date) -> bool:
    weeks = (newest - start).days // WEEK + 1
    days = (newest - timedelta(weeks=back) for back in range(weeks))
    shut = [day in closed for day in islice((day for day in days if not _on_holiday(closed, end, day)), CLOSING_WEEKS)]
    return len(shut) >= CLOSING_LEAST_WEEKS and sum(shut) >= CLOSING_SHARE * len(shut)


def _on_holiday(closed: frozenset[date], end: date, day: date) -> bool:
    around = (day + timedelta(days=i) for i in range(-3, 4))
    return all(near in closed for near in around if near < end)


def fill(history: History) -> list[float]:
    """A regular series: each missing day gets the median of its weekday's last known values. Empty when nothing is known."""
    known = history.known()
    if not known:
        return []
    by_weekday: list[deque[float]] = [deque(maxlen=_FILL_VALUES) for _ in range(WEEK)]
    recent: deque[float] = deque(known[:_FILL_DAYS], maxlen=_FILL_DAYS)
    filled = []
    weekday = history.start.weekday()
    for value in history.values:
        same = by_weekday[weekday]
        if value is None:
            filled.append(median(same or recent))
        else:
            filled.append(value)
            same.append(value)
            recent.append(value)
        weekday = (weekday + 1) % WEEK
    return filled


def weekday_means(history: History, weeks: int = CLOSING_WEEKS) -> list[float]:
    """Seven means, Monday first, of the last weeks' known days; a weekday without any gets the mean of all. Needs a known day."""
    recent = history.last(weeks * WEEK)
    recent = recent if recent.known() else history
    days: list[list[float]] = [[] for _ in range(WEEK)]
    for i, value in enumerate(recent.values):
        if value is not None:
            days[(recent.start.weekday() + i) % WEEK].append(value)
    overall = fmean(recent.known())
    return [fmean(values) if values else overall for values in days]


def open_days(history: History, horizon: int) -> list[bool]:
    """For each day of the forecast: False where the shop is expected to be closed."""
    closed = closed_weekdays(history)
    first = history.end.weekday()
    return [(first + i) % WEEK not in closed for i in range(horizon)]


def zero_when_closed(values: Sequence[float], is_open: Sequence[bool]) -> list[float]:
    return [value if open_ else 0.0 for value, open_ in zip(values, is_open, strict=True)]
