"""Quantiles of Poisson counts. Pure; numpy has none, and importing scipy for them would cost more than a job of twenty products."""

from functools import lru_cache
from statistics import NormalDist

import numpy as np

from levain_training.forecasting.smoothing.arrays import Array

# Up to it the distribution is summed, at means of two decimals; beyond, the expansion is off by about a unit at most.
_SUMMED = 30
_STEPS = 100
_SUMMED_COUNTS = 60


def quantiles(mean: Array, levels: tuple[float, ...]) -> Array:
    """(levels, ...): the least count whose probability to be reached or undercut is at least the level.

    Above a mean of 30 the Cornish-Fisher expansion (Johnson, Kemp & Kotz 2005, "Univariate Discrete Distributions", 4.5), no whole number.
    """
    z = np.array([NormalDist().inv_cdf(level) for level in levels]).reshape(-1, *[1] * mean.ndim)
    large: Array = mean + z * np.sqrt(mean) + (z**2 - 1) / 6
    at = np.rint(np.where(mean <= _SUMMED, mean, 0.0) * _STEPS).astype(np.int64)
    return np.where(mean > _SUMMED, large, _table(levels)[:, at])


@lru_cache(maxsize=4)
def _table(levels: tuple[float, ...]) -> Array:
    """(levels, means)"""
    mean = np.arange(_SUMMED * _STEPS + 1) / _STEPS
    chance = np.exp(-mean)
    below = chance.copy()
    counts = np.zeros((len(levels), len(mean)))
    for count in range(1, _SUMMED_COUNTS):
        for level, found in zip(levels, counts, strict=True):
            found += below < level
        chance *= mean / count
        below += chance
    return counts
