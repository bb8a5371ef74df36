"""A task -> one array with a row a day and a column a product, and what is known of the shops' days. Pure."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from levain_contracts.tasks import Series, ShopCalendar, TrainingTask
from levain_training.forecasting.openings import expected_open
from levain_training.forecasting.smoothing.arrays import Array, Flags, Ints

# With two years last year's level is known for one; smoothing forgets what is older.
HISTORY_DAYS = 730


@dataclass(frozen=True)
class Panel:
    """The last `days` days before the forecast, and the `horizon` after them.

    - `sales` (days, products): units; NaN where the shop was closed, before the product's first day and where nothing is known.
    - `shop` (products,): the index of each product's calendar in `calendars`.
    """

    start: date
    horizon: int
    sales: Array
    shop: Ints
    calendars: tuple[ShopCalendar, ...]

    @property
    def days(self) -> int:
        return len(self.sales)

    @property
    def end(self) -> date:
        """The first day of the forecast."""
        return self.start + timedelta(days=self.days)

    def row(self, day: date) -> int:
        return (day - self.start).days

    def shut(self) -> Flags:
        """(days, shops): the days on which the whole shop was closed, as its calendar says."""
        found = np.zeros((self.days, len(self.calendars)), bool)
        for i, calendar in enumerate(self.calendars):
            found[[row for row in map(self.row, _closed(calendar)) if 0 <= row < self.days], i] = True
        return found

    def open_days(self, origin: int, days: int) -> Flags:
        """(days, products): False where a shop is expected to be closed, as known on the eve of row `origin`."""
        coming = [self.start + timedelta(days=origin + i) for i in range(days)]
        by_shop: Flags = np.array([expected_open(calendar, self.start, coming) for calendar in self.calendars], bool).T
        return by_shop[:, self.shop]


def panel_of(task: TrainingTask) -> Panel:
    """Its columns are the task's series, in their order."""
    longest = max((task.forecast_start - series.start).days for series in task.series)
    days = min(max(longest, 1), HISTORY_DAYS)
    start = task.forecast_start - timedelta(days=days)
    sales = np.full((days, len(task.series)), np.nan)
    for column, series in enumerate(task.series):
        _put(sales[:, column], (series.start - start).days, series)
    calendars = _calendars(task)
    index = {calendar.shop: i for i, calendar in enumerate(calendars)}
    shop = np.array([index[series.shop] for series in task.series], np.int64)
    panel = Panel(start, task.horizon_days, sales, shop, calendars)
    sales[panel.shut()[:, shop]] = np.nan
    return panel


def _put(column: Array, first: int, series: Series) -> None:
    values = series.values[max(-first, 0) : max(len(column) - first, 0)]
    first = max(first, 0)
    column[first : first + len(values)] = np.maximum(np.array(values, np.float64), 0.0)


def _calendars(task: TrainingTask) -> tuple[ShopCalendar, ...]:
    known = {calendar.shop: calendar for calendar in task.calendars}
    shops = dict.fromkeys(series.shop for series in task.series)
    return tuple(known.get(shop, ShopCalendar(shop=shop)) for shop in shops)


def _closed(calendar: ShopCalendar) -> set[date]:
    return {*calendar.closed, *calendar.given_closed}
