"""Exponential smoothing with a level and a weekly season, for many products and settings at once. Pure.

ETS(A,N,A) in its innovation form (Hyndman, Koehler, Ord & Snyder 2008, "Forecasting with Exponential Smoothing", table 2.3):

    e_t = y_t - (l_{t-1} + s_{t-7})      l_t = l_{t-1} + alpha e_t      s_t = s_{t-7} + gamma e_t

Its forecast for any later day is the last level plus the last season of that weekday. A day that is NaN leaves the state as it is.
With alpha = 0 it smooths each weekday by itself, which is what statsforecast calls SeasonalExponentialSmoothing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from levain_training.forecasting.smoothing.arrays import WEEK, Array, mean_of_known

# The season's first guess: each weekday is seen four times, and the rest of a history of eight weeks can be tested.
START_DAYS = 28


@dataclass
class State:
    """After a day. `level` (..., products), `season` (7, ..., products) by row of the panel modulo 7; settings are axes before the last."""

    level: Array
    season: Array

    def of_type(self, dtype: type[np.floating[Any]]) -> "State":
        return State(self.level.astype(dtype), self.season.astype(dtype))

    def forecast(self, row: int) -> Array:
        """(..., products) for the day of that row, in the units of what was smoothed; it may be negative."""
        expected: Array = self.level + self.season[row % WEEK]
        return expected


def start_of(sales: Array) -> State:
    """Level (products,) and season (7, products) as each product's first four weeks have them; zeros where nothing is known.

    `sales`: (days, products). A weekday without a known day in them has no season yet.
    """
    first = np.argmax(~np.isnan(sales), axis=0)
    sales = sales[: first.max(initial=0) + START_DAYS]
    rows = np.arange(len(sales))[:, None]
    early = np.where((rows >= first) & (rows < first + START_DAYS), sales, np.nan)
    weekdays = np.array([mean_of_known(early[day::WEEK]) if len(early) > day else np.full(sales.shape[1], np.nan) for day in range(WEEK)])
    level = mean_of_known(weekdays)
    return State(np.nan_to_num(level), np.nan_to_num(weekdays - level))


def spread(state: State, shape: tuple[int, ...]) -> State:
    """The same state for each setting: `shape` are the axes of settings, put before the products."""
    level = np.broadcast_to(state.level, (*shape, *state.level.shape)).copy()
    season = np.broadcast_to(np.expand_dims(state.season, tuple(range(1, 1 + len(shape)))), (WEEK, *level.shape)).copy()
    return State(level, season)


def advance(state: State, sales: Array, first_row: int, alpha: Array, gamma: Array) -> None:
    """Moves `state` over the days of `sales` (days, ..., products), the first of which is the panel's row `first_row`.

    `alpha`, `gamma`: shares from 0 to 1 that broadcast to the level, (settings, 1) for one axis of settings.
    """
    known = ~np.isnan(sales)
    share = known.mean(axis=tuple(range(1, known.ndim))).tolist()
    values = np.where(known, sales, np.zeros((), sales.dtype))
    error, part = np.empty_like(state.level), np.empty_like(state.level)
    for day, some in enumerate(share):
        if not some:
            continue
        season = state.season[(first_row + day) % WEEK]
        np.subtract(values[day], state.level, out=error)
        error -= season
        if some < 1:
            error *= known[day]
        np.multiply(error, alpha, out=part)
        state.level += part
        error *= gamma
        season += error
