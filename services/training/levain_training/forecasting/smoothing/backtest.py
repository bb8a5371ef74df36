"""Forecasts at weekly origins, each made from what was known then, and the settings' weights that come of them. Pure.

Weights are soft: (error / least error)^-16 of each setting, by product. Between equal weights (which keep bad settings) and the one
best setting (which is often best by chance); forecast combination after Bates & Granger (1969), "The combination of forecasts".
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from levain_training.forecasting.smoothing.arrays import WEEK, Array, Flags
from levain_training.forecasting.smoothing.recursion import START_DAYS, State, advance, spread, start_of

# Half a year of weekly origins; each is tested on two weeks, so that every weekday counts twice.
ORIGINS = 26
TEST_DAYS = 2 * WEEK
_SHARPNESS = 16
# Keeps a quotient of two perfect settings at 1.
_NOTHING = 1e-9


@dataclass(frozen=True)
class Days:
    """What is smoothed, and what turns it back: `clean` (days, products) is sales / factor, NaN where a day teaches nothing.

    `sales` (days, products); `factor` (days + at least 14, products).
    """

    sales: Array
    clean: Array
    factor: Array


@dataclass(frozen=True)
class Tested:
    """`mean`, `actual`: (origins, 14, products), NaN where there was no test: closed, unknown, or too early for the product."""

    rows: list[int]
    mean: Array
    actual: Array


@dataclass(frozen=True)
class Smoothed:
    """`state`: (products,), the weighted mean of the settings' states after the last day; `weights`: (settings, products)."""

    tested: Tested
    state: State
    weights: Array


def origins(days: int) -> list[int]:
    """Rows, ascending: the last one leaves two weeks to test, the first has four weeks before it."""
    last = days - TEST_DAYS
    return [row for row in range(last - WEEK * (ORIGINS - 1), last + 1, WEEK) if row >= START_DAYS]


def smooth(days: Days, settings: tuple[Array, Array], is_open: Flags) -> Smoothed:
    """`is_open`: (origins, 14, products), what was expected at each origin.

    Recursions run in single precision: its 7 digits are far finer than any day's error, and half the bytes go through the caches.
    What comes out is double.
    """
    rows = origins(len(days.sales))
    alpha, gamma, clean, factors = (values.astype(np.float32) for values in (*settings, days.clean, days.factor))
    state = spread(start_of(days.clean).of_type(np.float32), (len(alpha),))
    actual = actuals(days.sales, rows)
    mean = np.full(actual.shape, np.nan)
    finished, running = np.zeros_like(state.level), deque[Array]()
    at = 0
    for i, row in enumerate(rows):
        advance(state, clean[at:row], at, alpha, gamma)
        at = row
        if len(running) == TEST_DAYS // WEEK:  # the errors of an origin are known when its two weeks are over
            finished += running.popleft()
        factor = factors[row : row + TEST_DAYS] * is_open[i]
        mean[i] = project(combine(state, weigh(finished)), row, factor)
        running.append(_errors(state, row, factor, actual[i]))
    advance(state, clean[at:], at, alpha, gamma)
    weights = weigh(sum(running, start=finished).astype(np.float64))
    tested = Tested(rows, np.where(np.isnan(actual), np.nan, mean), actual)
    return Smoothed(tested, combine(state.of_type(np.float64), weights), weights)


def actuals(sales: Array, rows: list[int]) -> Array:
    """(origins, 14, products); NaN at origins before which a product has fewer than four weeks of known days."""
    known = ~np.isnan(sales)
    found = np.array([sales[row : row + TEST_DAYS] for row in rows]).reshape(len(rows), TEST_DAYS, sales.shape[1])
    count, at = np.zeros(sales.shape[1]), 0
    for i, row in enumerate(rows):
        count += known[at:row].sum(axis=0)
        at = row
        found[i][:, count < START_DAYS] = np.nan
    return found


def naives(sales: Array, rows: list[int]) -> Array:
    """(origins, 14, products): each day as its weekday was last known before the origin; 0 for one that was never known."""
    products = sales.shape[1]
    weeks = -(-len(sales) // WEEK)
    padded = np.full((weeks * WEEK, products), np.nan)
    padded[: len(sales)] = sales
    row_of = np.where(np.isnan(padded), -1, np.arange(len(padded))[:, None]).reshape(weeks, WEEK, products)
    latest = np.maximum.accumulate(row_of, axis=0).reshape(weeks * WEEK, products)
    found = np.zeros((len(rows), TEST_DAYS, products))
    for i, row in enumerate(rows):
        source = latest[row - WEEK : row]
        week = np.where(source < 0, 0.0, np.take_along_axis(padded, np.maximum(source, 0), axis=0))
        found[i] = np.concatenate([week, week])
    return found


def weigh(errors: Array) -> Array:
    """(settings, products), summing to 1 over the settings. A product without errors is weighted as the others are on the whole."""
    ratio = np.log((errors + _NOTHING) / (errors.min(axis=0) + _NOTHING))
    tested = errors.max(axis=0) > 0
    if tested.any() and not tested.all():
        ratio[:, ~tested] = ratio[:, tested].mean(axis=1)[:, None]
    weights = np.exp(-_SHARPNESS * (ratio - ratio.min(axis=0)))
    found: Array = weights / weights.sum(axis=0)
    return found


def combine(state: State, weights: Array) -> State:
    return State(np.einsum("sp,sp->p", state.level, weights), np.einsum("wsp,sp->wp", state.season, weights))


def project(state: State, row: int, factor: Array) -> Array:
    """(days, products): the forecast of the days from `row` on, one for each row of `factor` (days, products)."""
    found: Array = _week(state, row)[np.arange(len(factor)) % WEEK] * factor
    return found


def _week(state: State, row: int) -> Array:
    """(7, ..., products): the forecast of the week from `row` on, without factors."""
    week = np.roll(state.season, -(row % WEEK), axis=0)
    week += state.level
    return np.maximum(week, 0.0, out=week)


def _errors(state: State, row: int, factor: Array, actual: Array) -> Array:
    """(settings, products): the sum of absolute errors over the known days."""
    week = _week(state, row)
    known = ~np.isnan(actual)[:, None]
    sold = np.where(known, actual[:, None], 0.0).astype(week.dtype)
    total = np.zeros_like(state.level)
    error = np.empty_like(week)
    for first in range(0, TEST_DAYS, WEEK):
        days = slice(first, first + WEEK)
        np.multiply(week, factor[days, None], out=error)
        error -= sold[days]
        np.abs(error, out=error)
        error *= known[days]
        total += error.sum(axis=0)
    return total
