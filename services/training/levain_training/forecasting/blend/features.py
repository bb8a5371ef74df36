"""What the trees see of a product's day: everything was known at its origin, and is divided by the product's level there. Pure."""

from dataclasses import dataclass

import numpy as np

from levain_training.forecasting.smoothing.arrays import WEEK, Array, mean_of_known
from levain_training.forecasting.smoothing.holidays import Effects
from levain_training.forecasting.smoothing.panel import Panel
from levain_training.forecasting.smoothing.yearly import YEAR_DAYS

_WEEKS = 8
_LEVEL_DAYS = 28
# As the yearly level of a shop: three whole weeks around the day.
_HALF_DAYS = 10
_LEAST_LEVEL = 0.1


@dataclass(frozen=True)
class Background:
    """Running sums of a panel, and what is expected of its shops' days: `effects` and `levels` (days + ahead, shops), as logs."""

    panel: Panel
    effects: Effects
    levels: Array
    sums: Array
    counts: Array

    def mean(self, first: int, last: int) -> Array:
        """(products,) over the known days of rows `first` to `last` - 1; NaN without any."""
        first, last = (min(max(row, 0), self.panel.days) for row in (first, last))
        count = self.counts[last] - self.counts[first]
        total = self.sums[last] - self.sums[first]
        return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))


def background(panel: Panel, sales: Array, effects: Effects, levels: Array) -> Background:
    known = ~np.isnan(sales)
    zero = np.zeros((1, sales.shape[1]))
    sums = np.concatenate([zero, np.cumsum(np.where(known, sales, 0.0), axis=0)])
    counts = np.concatenate([zero, np.cumsum(known.astype(np.float64), axis=0)])
    return Background(panel, effects, levels, sums, counts)


@dataclass(frozen=True)
class Rows:
    """Of one origin: `values` (days, products, features); `level` (products,), NaN before a product's first weeks; `usual` (days,
    products): in levels, what the last weeks of the weekday say."""

    values: Array
    level: Array
    usual: Array


def rows_of(known: Background, sales: Array, origin: int, days: int) -> Rows:
    """`sales`: (days, products) without outliers; nothing of row `origin` and later is looked at."""
    panel = known.panel
    level = known.mean(origin - 2 * _LEVEL_DAYS, origin)
    level = np.where(known.counts[origin] >= _LEVEL_DAYS, np.maximum(level, _LEAST_LEVEL), np.nan)
    weeks = _weeks_before(sales, origin) / level
    short, long_, last = mean_of_known(weeks[:4]), mean_of_known(weeks), _latest(weeks)
    usual = np.where(np.isnan(long_), 1.0, (short + long_) / 2)
    usual = np.where(np.isnan(usual), long_, usual)
    usual = np.where(np.isnan(usual), 1.0, usual)
    recent = [known.mean(origin - span, origin) / level for span in (WEEK, _LEVEL_DAYS)]
    lately = sales[max(origin - 2 * _LEVEL_DAYS, 0) : origin]
    sold = mean_of_known(np.where(np.isnan(lately), np.nan, lately > 0))
    before = known.mean(origin - YEAR_DAYS - _LEVEL_DAYS, origin - YEAR_DAYS)
    columns = []
    for day in range(days):
        row, weekday = origin + day, day % WEEK
        last_year = np.array([_row(sales, row - YEAR_DAYS + WEEK * week, origin) for week in (-1, 0, 1)])
        around = known.mean(row - YEAR_DAYS - _HALF_DAYS, min(row - YEAR_DAYS + _HALF_DAYS + 1, origin))
        columns.append(
            [
                usual[weekday],
                short[weekday],
                long_[weekday],
                last[weekday],
                *recent,
                np.log(level),
                sold,
                mean_of_known(last_year) / level,
                np.divide(around, before, out=np.full(level.shape, np.nan), where=before > 0),
                known.levels[row, panel.shop] - known.levels[origin - 1, panel.shop],
                known.effects.log_factor[row, panel.shop],
                _everywhere((panel.start.toordinal() + row) % WEEK, level),
                _everywhere(day, level),
                _everywhere((panel.start.toordinal() + row) % YEAR_DAYS, level),
            ]
        )
    ahead = np.arange(days) % WEEK
    return Rows(np.array(columns).transpose(0, 2, 1), level, usual[ahead])


def _weeks_before(sales: Array, origin: int) -> Array:
    """(8, 7, products): the same weekdays of the last weeks, the latest first; NaN before the panel."""
    padded = np.concatenate(
        [np.full((max(_WEEKS * WEEK - origin, 0), sales.shape[1]), np.nan), sales[max(origin - _WEEKS * WEEK, 0) : origin]]
    )
    return padded.reshape(_WEEKS, WEEK, -1)[::-1]


def _latest(weeks: Array) -> Array:
    """(7, products): the latest known value of each weekday."""
    at = np.argmax(~np.isnan(weeks), axis=0)
    found: Array = np.take_along_axis(weeks, at[None], axis=0)[0]
    return found


def _row(sales: Array, row: int, origin: int) -> Array:
    found: Array = sales[row] if 0 <= row < origin else np.full(sales.shape[1], np.nan)
    return found


def _everywhere(value: float, like: Array) -> Array:
    return np.full(like.shape, float(value))
