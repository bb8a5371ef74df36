"""Means and what was tested -> quantiles and scores of all products. Pure."""

from dataclasses import dataclass

import numpy as np

from levain_training.forecasting.smoothing import intervals
from levain_training.forecasting.smoothing.arrays import WEEK, Array, Flags, Ints, mean_of_known
from levain_training.forecasting.smoothing.backtest import TEST_DAYS, Tested, naives
from levain_training.forecasting.smoothing.learnt import Learnt


@dataclass(frozen=True)
class Sums:
    """(products,) each: `scores.Totals` of all products; NaN where a coverage or scale is unknown."""

    days: Ints
    sold: Array
    error: Array
    missed: Array
    naive_missed: Array
    coverage: Array
    scale: Array


@dataclass(frozen=True)
class Predicted:
    """`mean` (horizon, products), `quantiles` (levels, horizon, products); `sums` and `widths` (products,)."""

    mean: Array
    quantiles: Array
    widths: Array
    sums: Sums


def predict(learnt: Learnt, mean: Array, tested: Tested) -> Predicted:
    """`tested`: of whatever made `mean`; the shape of its errors is that of the smoothing's, which has more of them.

    Widths are set, and coverage is measured, on the later half of what was tested, with shapes from what comes before it.
    """
    panel = learnt.panel
    shops = len(panel.calendars)
    third = intervals.thirds(panel.sales, panel.shop, shops)
    late = _later_half(tested)
    early = _before(learnt.smoothed.tested, late)
    flat = late.mean.reshape(-1, late.mean.shape[-1]), late.actual.reshape(-1, late.actual.shape[-1])
    width: Array = np.ones(shops)
    inside: Array = np.full(flat[0].shape, np.nan)
    if early.rows:
        then = intervals.around(flat[0], late.rows[0], intervals.shape_of(early.mean, early.actual, early.rows[0], third, panel.shop))
        width = intervals.factors(*flat, then, panel.shop, shops)
        drawn = intervals.drawn(flat[0], then, width[panel.shop])
        inside = np.where(np.isnan(flat[1]), np.nan, (drawn[0] <= flat[1]) & (flat[1] <= drawn[-1]))
    all_ = learnt.smoothed.tested
    shape = intervals.shape_of(all_.mean, all_.actual, _first_row(all_, panel.days), third, panel.shop)
    quantiles = intervals.around(mean, panel.days, shape)
    quantiles = intervals.drawn(mean, quantiles, width[panel.shop] * _growth(panel.horizon, learnt.alpha())) * learnt.is_open
    return Predicted(mean, quantiles, width[panel.shop], _sums(panel.sales, tested, inside))


def _growth(horizon: int, alpha: Array) -> Array:
    """(horizon, products): how much further days lie off than those of the first two weeks, which are what was tested.

    The variance of ETS(A,N,A) h days ahead grows as 1 + alpha^2 (h - 1) (Hyndman et al. 2008, table 6.1); 1 within the two weeks.
    """
    days = np.arange(horizon)[:, None]
    grown: Array = np.sqrt((1 + alpha**2 * days) / (1 + alpha**2 * (TEST_DAYS - 1)))
    return np.maximum(grown, 1.0)


def _later_half(tested: Tested) -> Tested:
    half = len(tested.rows) // 2
    return Tested(tested.rows[half:], tested.mean[half:], tested.actual[half:])


def _before(tested: Tested, late: Tested) -> Tested:
    count = sum(row < late.rows[0] for row in tested.rows) if late.rows else 0
    return Tested(tested.rows[:count], tested.mean[:count], tested.actual[:count])


def _first_row(tested: Tested, days: int) -> int:
    return tested.rows[0] if tested.rows else days


def _sums(sales: Array, tested: Tested, inside: Array) -> Sums:
    known = ~np.isnan(tested.actual)
    error = np.where(known, tested.mean - tested.actual, 0.0)
    naive_error = np.where(known, naives(sales, tested.rows) - tested.actual, 0.0)
    over = (0, 1)
    return Sums(
        days=known.sum(axis=over),
        sold=np.where(known, tested.actual, 0.0).sum(axis=over),
        error=error.sum(axis=over),
        missed=np.abs(error).sum(axis=over),
        naive_missed=np.abs(naive_error).sum(axis=over),
        coverage=mean_of_known(inside),
        scale=_scales(sales, known, tested.rows),
    )


def _scales(sales: Array, known: Flags, rows: list[int]) -> Array:
    """(products,): MASE's denominator, from the days before the product's first test; NaN without a pair of weeks."""
    if not rows:
        return np.full(sales.shape[1], np.nan)
    first = np.array(rows)[np.argmax(known.any(axis=1), axis=0)]
    change = np.abs(sales[WEEK:] - sales[:-WEEK])
    return mean_of_known(np.where(np.arange(WEEK, len(sales))[:, None] < first, change, np.nan))
