"""Days of a product that training sees clipped (`forecasting.outliers`): told in the report, by their lines; the series keep them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice

import numpy as np

from levain_contracts.report import MAX_LINES, Repair
from levain_contracts.tasks import ShopCalendar
from levain_training.forecasting.outliers import winsorise
from levain_training.ingest.findings import Findings, counted, quoted
from levain_training.ingest.names import Key
from levain_training.ingest.rows import Grouped, Units
from levain_training.ingest.series import DailySeries, day_of, number_of

_TOGETHER = 128  # products whose values are looked at in one array: 128 by 20,000 days are 20 MB


def outlier_days(daily: Sequence[DailySeries], calendars: Iterable[ShopCalendar], found: Grouped, findings: Findings) -> Repair | None:
    """Days that the calendar explains, and those before them, are none."""
    explained = {one.shop: {number_of(day.date) - back for day in one.holidays for back in (0, 1)} for one in calendars}
    count = 0
    first: list[tuple[DailySeries, int]] = []
    for together in _portions(daily):
        start = min(number_of(one.start) for one in together)
        odd = _odd(together, start, explained)
        count += int(np.count_nonzero(odd))
        for product, day in islice(np.argwhere(odd).tolist(), MAX_LINES - len(first)):
            first.append((together[product], start + day))
    if not count:
        return None
    lines = sorted(_line(one, day, found) for one, day in first)
    one, day = first[0]
    units = one.values[day - number_of(one.start)]
    example = f"{quoted(one.product)} on {day_of(day)}, {units:g} units on {findings.at(_line(one, day, found))}"
    what = f"{counted(count, 'day')} of a product far beyond its own weeks: clipped for training only, e.g. {example}"
    return Repair(code="outlier_day", count=count, lines=tuple(lines), message=what)


def _portions(daily: Sequence[DailySeries]) -> Iterator[list[DailySeries]]:
    for _, of_shop in groupby(daily, key=lambda one: one.shop):
        while some := list(islice(of_shop, _TOGETHER)):
            yield some


def _odd(
    together: Sequence[DailySeries], start: int, explained: Mapping[str | None, set[int]]
) -> "np.ndarray[tuple[int, int], np.dtype[np.bool_]]":
    days = max(number_of(one.start) + len(one.values) for one in together) - start
    values: Units = np.full((len(together), days), np.nan)
    for i, one in enumerate(together):
        values[i, days - len(one.values) :] = one.values
    for day in explained.get(together[0].shop, ()):
        if 0 <= day - start < days:
            values[:, day - start] = np.nan
    return winsorise(values).is_outlier


def _line(one: DailySeries, day: int, found: Grouped) -> int:
    """The first line of the product's day."""
    rows = found.rows
    number = rows.keys.index(Key(one.shop, one.product))
    begin, end = np.searchsorted(rows.series, (number, number + 1))
    return int(rows.lines[begin + np.searchsorted(rows.days[begin:end], day)])
