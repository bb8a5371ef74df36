"""Sales that no model should learn from: one product's day far beyond its own weeks. Pure; the series themselves stay as they are.

Sales are counts, so they are compared on Anscombe's scale, 2 √(x + 3/8), where a Poisson count has variance 1 whatever its
level (Anscombe 1948, "The transformation of Poisson, binomial and negative-binomial data"). A day is held against the median
of its weekday within 8 weeks (the filter of Hampel 1974, with the median of absolute deviations as scale), the 8 weeks before
and after included, so that a level that moves, or a season that begins, is none. The limit is √(2 ln n) scales, which the
largest of n normal values stays below (Donoho & Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage").
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

WEEK = 7
BLOCK_WEEKS = 8
_BLOCK_DAYS = WEEK * BLOCK_WEEKS
# Fewer positive values of a weekday in 8 weeks say nothing about what is usual.
LEAST_VALUES = 3
# The median of absolute deviations of normal values is 0.6745 of their standard deviation.
_MAD_TO_SIGMA = 1.4826
# A day that is odd for many products is the shop's day (a feast, a fair), and the calendar's to explain.
EVENT_PRODUCTS, EVENT_SHARE = 3, 0.05


class Winsorised(NamedTuple):
    """Both of the shape of what was given, (products, days). `values` is NaN where that was."""

    values: Values
    is_outlier: npt.NDArray[np.bool_]


def winsorise(values: Values) -> Winsorised:
    """`values`: units, (products of one shop, days in a row), NaN where nothing is known.

    Outliers come back as the limit that they go beyond. Days without a sale are never outliers: a product that sells on few
    days has many, and one that is sold out is no error.
    """
    if not values.size:
        return Winsorised(values.copy(), np.zeros(values.shape, dtype=np.bool_))
    judged = np.where(values > 0, values, np.nan)
    scaled = anscombe(judged)
    medians = _medians(scaled)
    own = np.abs(scaled - _by_day(medians, scaled.shape[1]))
    counts = np.count_nonzero(~np.isnan(own), axis=1)
    limit = np.sqrt(2 * np.log(np.maximum(counts, 1))) * np.fmax(1.0, _MAD_TO_SIGMA * _median(own))
    # Only these can lie beyond the limit from the nearest of three medians: the day's own is one of them.
    product, day = np.nonzero(~(own <= limit[:, None]) & ~np.isnan(scaled))
    far, its_limit = scaled[product, day], limit[product]
    nearest = _nearest(far, medians, product, day - scaled.shape[1])
    beyond = np.zeros(values.shape, dtype=np.bool_)
    beyond[product, day] = np.abs(far - nearest) > its_limit
    outliers = beyond & ~_of_the_shop(beyond, judged)
    limited = values.copy()
    is_one = outliers[product, day]
    limited[product[is_one], day[is_one]] = inverse(nearest + np.copysign(its_limit, far - nearest))[is_one]
    return Winsorised(limited, outliers)


def anscombe(units: Values) -> Values:
    return np.asarray(2.0 * np.sqrt(units + 0.375))


def inverse(scaled: Values) -> Values:
    """Never below 0."""
    return np.asarray(np.fmax((np.fmax(scaled, 0.0) / 2.0) ** 2 - 0.375, 0.0))


def _medians(scaled: Values) -> Values:
    """(products, blocks, 7): of each weekday in each block of weeks, the last of which ends with the days; NaN where too few are known."""
    products, days = scaled.shape
    blocks = -(-days // _BLOCK_DAYS)
    padded = np.full((products, blocks * _BLOCK_DAYS), np.nan)
    padded[:, padded.shape[1] - days :] = scaled
    return _median(padded.reshape(products, blocks, BLOCK_WEEKS, WEEK).transpose(0, 1, 3, 2), LEAST_VALUES)


def _by_day(medians: Values, days: int) -> Values:
    """(products, days): that of the day's weekday in its own block."""
    products, blocks, _ = medians.shape
    each = np.broadcast_to(medians[:, :, None], (products, blocks, BLOCK_WEEKS, WEEK)).reshape(products, -1)
    return np.asarray(each[:, each.shape[1] - days :])


def _median(values: Values, least: int = 1) -> Values:
    """Along the last axis, over what is known; NaN below `least` values. (`numpy.nanmedian` goes row by row: 50 times slower.)"""
    ordered = np.sort(values, axis=-1)  # NaN last
    known = np.count_nonzero(~np.isnan(ordered), axis=-1, keepdims=True)
    low, high = (np.take_along_axis(ordered, np.maximum(at, 0), axis=-1) for at in ((known - 1) // 2, known // 2 - (known == 0)))
    return np.where(known >= least, (low + high) / 2, np.nan)[..., 0]


def _nearest(far: Values, medians: Values, product: Ints, day: Ints) -> Values:
    """Of each value the nearest of the medians of its weekday in the block before its own, in its own and in the next; or NaN.

    `day`: counted from the end, -1 is the last one.
    """
    blocks = medians.shape[1]
    around = np.full((len(medians), blocks + 2, WEEK), np.nan)
    around[:, 1:-1] = medians
    block = day // _BLOCK_DAYS + blocks
    centres = np.array([around[product, block + i, day % WEEK] for i in range(3)])
    distance = np.abs(far - centres)
    which = np.argmin(np.where(np.isnan(distance), np.inf, distance), axis=0)
    return np.asarray(np.take_along_axis(centres, which[None], axis=0)[0])


def _of_the_shop(beyond: npt.NDArray[np.bool_], judged: Values) -> npt.NDArray[np.bool_]:
    """(days,): odd for so many products that it is no slip of one."""
    odd = np.count_nonzero(beyond, axis=0)
    sold = np.count_nonzero(~np.isnan(judged), axis=0)
    return np.asarray((odd >= EVENT_PRODUCTS) & (odd >= EVENT_SHARE * sold))
