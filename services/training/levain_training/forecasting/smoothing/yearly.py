"""How a shop's level moved a year ago, for towns whose customers come with the season. Pure."""

import numpy as np

from levain_training.forecasting.smoothing.arrays import WEEK, Array, mean_of_known

# 52 weeks: the same weekday, a year ago.
YEAR_DAYS = 52 * WEEK
# Three whole weeks around the day, so that each weekday counts alike: shorter shows single days, longer hides the start of a season.
_HALF_DAYS = 10
# Half of the window: less says little of the level.
_LEAST_KNOWN = 11
# A level that tripled within a forecast's reach is an opening or a closing, not a season.
_MOST = 3.0


def log_levels(totals: Array, ahead: int) -> Array:
    """(days + ahead, shops): the log of last year's level around each day, as far as it moved from the last day's.

    `totals`: (days, shops), NaN on closed and special days. Where last year is not known the level stays as it was.
    """
    days, shops = totals.shape
    index = np.array([mean_of_known(totals[day::WEEK]) for day in range(WEEK)])
    relative = totals / np.tile(index, (days // WEEK + 1, 1))[:days]
    window = np.full((days + ahead, shops), np.nan)
    sums, counts = _running(relative)
    first = np.clip(np.arange(days + ahead) - YEAR_DAYS - _HALF_DAYS, 0, days)
    last = np.clip(np.arange(days + ahead) - YEAR_DAYS + _HALF_DAYS + 1, 0, days)
    count = counts[last] - counts[first]
    total = sums[last] - sums[first]
    enough = (count >= _LEAST_KNOWN) & (total > 0)
    window[enough] = np.log(total[enough] / count[enough])
    level = _carried(window)
    bound = np.log(_MOST)
    found: Array = np.clip(level - level[days - 1], -bound, bound)
    return found


def _running(values: Array) -> tuple[Array, Array]:
    known = ~np.isnan(values)
    zero = np.zeros((1, values.shape[1]))
    sums = np.concatenate([zero, np.cumsum(np.where(known, values, 0.0), axis=0)])
    counts = np.concatenate([zero, np.cumsum(known, axis=0)])
    return sums, counts


def _carried(values: Array) -> Array:
    """Gaps get the last known value before them, and leading ones the first; 0 where there is none."""
    known = ~np.isnan(values)
    rows = np.where(known, np.arange(len(values))[:, None], -1)
    latest = np.maximum.accumulate(rows, axis=0)
    latest = np.where(latest < 0, np.argmax(known, axis=0), latest)
    found: Array = np.nan_to_num(np.take_along_axis(values, latest, axis=0))
    return found
