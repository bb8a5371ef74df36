"""Quantiles around a forecast, from how far earlier forecasts were off. Pure.

Split conformal prediction (Lei, G'Sell, Rinaldo, Tibshirani & Wasserman 2018, "Distribution-free predictive inference for regression"):
with n errors of like days, the quantile at p is the one of rank ceil(p (n + 1)). Errors are divided by the root of the mean, as
those of counts grow, so that a day may learn from days with other means; like days are those of a third of the week: a shop's two
strongest weekdays, its two weakest, and the three between. No quantile is nearer to the mean than a Poisson count's.

Last, all are drawn out or in by one factor a shop, such that 80 % of the days of its last weeks lie inside (normalised conformal
prediction, with the interval itself as the norm).
"""

from dataclasses import dataclass

import numpy as np

from levain_contracts.quantities import LEVELS
from levain_training.forecasting.smoothing import poisson
from levain_training.forecasting.smoothing.arrays import WEEK, Array, Flags, Ints, by_group

# In order of a shop's weekdays from the weakest to the strongest.
_THIRDS = (slice(0, 2), slice(2, 5), slice(5, 7))
# Fewer errors hold no 10 % quantile: ceil(0.9 (n + 1)) is beyond the last one.
_LEAST = 9
_COVERED = 0.8
# The factor is itself known only as well as the days that it is taken from.
_LEAST_DAYS = 100
_FACTORS = (0.5, 2.0)
_MEDIAN = LEVELS.index(0.5)


@dataclass(frozen=True)
class Shape:
    """`errors` (levels, thirds, products), in roots of the mean; `third` (7, products): of each weekday, by row modulo 7."""

    errors: Array
    third: Ints


def thirds(sales: Array, shop: Ints, shops: int) -> Ints:
    """(7, products): which third of the week a weekday is in its shop, by row modulo 7."""
    units = by_group(np.array([np.nansum(sales[day::WEEK], axis=0) for day in range(WEEK)]), shop, shops)
    rank = np.argsort(np.argsort(units, axis=0, kind="stable"), axis=0)
    third_of_rank = np.repeat(np.arange(len(_THIRDS)), [part.stop - part.start for part in _THIRDS])
    found: Ints = third_of_rank[rank][:, shop]
    return found


def shape_of(mean: Array, actual: Array, row: int, third: Ints, shop: Ints) -> Shape:
    """`mean`, `actual`: (origins, 14, products), NaN where there was no test; origins are weeks apart, one of them at `row`.

    A product with too few errors in a third takes all its own, and one with too few of these its shop's; without any the shape is 0.
    """
    origins, days, products = mean.shape
    off = ((actual - mean) / _unit(mean)).reshape(origins * days // WEEK, WEEK, products)
    by_rank = np.take_along_axis(off, np.argsort(np.roll(third, -row, axis=0), axis=0, kind="stable")[None], axis=1)
    found = np.array([_quantiles(by_rank[:, part].reshape(-1, products)) for part in _THIRDS])
    few = np.isnan(found).any(axis=(0, 1))
    if few.any():
        own = _own_or_shops(off.reshape(-1, products), few, shop)
        found[..., few] = np.where(np.isnan(found[..., few]), own, found[..., few])
    return Shape(found.transpose(1, 0, 2), third)


def around(mean: Array, row: int, shape: Shape) -> Array:
    """(levels, days, products) around `mean` (days, products), whose first day is the panel's row `row`. They may be negative."""
    third = shape.third[(row + np.arange(len(mean))) % WEEK]
    off = np.take_along_axis(shape.errors, third[None], axis=1)
    found = mean + off * _unit(mean)
    counts = poisson.quantiles(mean, LEVELS)
    found[:_MEDIAN] = np.minimum(found[:_MEDIAN], counts[:_MEDIAN])
    found[_MEDIAN + 1 :] = np.maximum(found[_MEDIAN + 1 :], counts[_MEDIAN + 1 :])
    return found


def factors(mean: Array, actual: Array, quantiles: Array, shop: Ints, shops: int) -> Array:
    """(shops,): by how much to draw intervals out. Days are those of `mean` and `actual` (..., products), `quantiles` (levels, ...)."""
    side = np.where(actual < mean, quantiles[0], quantiles[-1]) - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(actual == mean, 0.0, (actual - mean) / side)
    needed = np.where(needed < 0, np.inf, needed)  # the interval does not reach to this side of the mean
    return np.array([_factor(needed[..., shop == one].ravel()) for one in range(shops)])


def drawn(mean: Array, quantiles: Array, factor: Array) -> Array:
    """`factor` broadcasts to `mean`. In order and not negative."""
    found: Array = np.maximum.accumulate(np.maximum(mean + (quantiles - mean) * factor, 0.0), axis=0)
    return found


def _factor(needed: Array) -> float:
    known = np.sort(needed[~np.isnan(needed)])
    if len(known) < _LEAST_DAYS:
        return 1.0
    return float(np.clip(known[int(np.ceil(_COVERED * len(known))) - 1], *_FACTORS))


def _unit(mean: Array) -> Array:
    root: Array = np.sqrt(np.maximum(mean, 1.0))
    return root


def _quantiles(errors: Array) -> Array:
    """(levels, columns) of each column's known errors; NaN where they are too few."""
    if not len(errors):
        return np.full((len(LEVELS), errors.shape[1]), np.nan)
    ordered = np.sort(errors, axis=0)
    count = (~np.isnan(errors)).sum(axis=0)
    return np.array([_at(ordered, count, level) for level in LEVELS])


def _at(ordered: Array, count: Ints, level: float) -> Array:
    rank = np.floor(level * (count + 1)) - 1 if level < LEVELS[_MEDIAN] else np.ceil(level * (count + 1)) - 1
    picked = np.take_along_axis(ordered, np.clip(rank, 0, len(ordered) - 1).astype(np.int64)[None], axis=0)[0]
    return np.where(count >= _LEAST, picked, np.nan)


def _own_or_shops(errors: Array, some: Flags, shop: Ints) -> Array:
    """(levels, products of `some`) of all the product's errors, or else its shop's; 0 where these are too few as well."""
    own = _quantiles(errors[:, some])
    its_shop = shop[some]
    for one in set(its_shop[np.isnan(own).any(axis=0)].tolist()):
        whole = np.nan_to_num(_quantiles(errors[:, shop == one].reshape(-1, 1)))
        mine = its_shop == one
        own[:, mine] = np.where(np.isnan(own[:, mine]), whole, own[:, mine])
    return own
