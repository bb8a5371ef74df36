"""Quantiles: in order, honest on days of the same kind, and never narrower than counting alone makes them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from levain_contracts.quantities import LEVELS
from levain_training.forecasting.smoothing import intervals, poisson
from levain_training.forecasting.smoothing.arrays import Array

ONE_SHOP = np.zeros(4, np.int64)


def _poisson_quantile(mean: float, level: float) -> int:
    chance = below = math.exp(-mean)
    count = 0
    while below < level:
        count += 1
        chance *= mean / count
        below += chance
    return count


@settings(deadline=None)
@given(st.integers(0, 3000).map(lambda hundredths: hundredths / 100), st.sampled_from(LEVELS))
def test_small_counts_have_the_quantiles_of_their_definition(mean: float, level: float) -> None:
    assert poisson.quantiles(np.array([mean]), (level,))[0, 0] == pytest.approx(_poisson_quantile(mean, level), abs=1e-9)


@given(st.floats(30.01, 500), st.sampled_from(LEVELS))
def test_large_counts_are_off_by_less_than_a_unit(mean: float, level: float) -> None:
    assert poisson.quantiles(np.array([mean]), (level,))[0, 0] == pytest.approx(_poisson_quantile(mean, level), abs=1.1)


@settings(deadline=None)
@given(
    arrays.arrays(float, (6, 14, 4), elements=st.one_of(st.just(math.nan), st.floats(0, 1e6))),
    arrays.arrays(float, (6, 14, 4), elements=st.floats(0, 1e6)),
    arrays.arrays(float, (21, 4), elements=st.floats(0, 1e6)),
    st.floats(0.5, 2),
)
def test_quantiles_rise_and_are_not_negative_whatever_happened(actual: Array, mean: Array, coming: Array, factor: float) -> None:
    third = intervals.thirds(np.nan_to_num(actual.reshape(-1, 4)), ONE_SHOP, 1)
    shape = intervals.shape_of(np.where(np.isnan(actual), np.nan, mean), actual, 3, third, ONE_SHOP)
    quantiles = intervals.drawn(coming, intervals.around(coming, 5, shape), np.full(4, factor))
    assert np.isfinite(quantiles).all()
    assert (quantiles >= 0).all()
    assert (np.diff(quantiles, axis=0) >= 0).all()


def test_eight_days_of_ten_lie_inside_on_new_days_of_the_same_kind() -> None:
    random = np.random.default_rng(3)
    mean = np.tile(random.uniform(1, 80, 4), (52, 14, 1))
    spread = np.tile([1.0, 1, 1, 1, 1, 2, 3], 2)[None, :, None] * np.sqrt(mean) * 1.5
    actual = np.maximum(mean + random.normal(size=mean.shape) * spread, 0)
    third = intervals.thirds(spread[:, :, :].reshape(-1, 4)[:7], ONE_SHOP, 1)
    past = slice(0, 26)
    shape = intervals.shape_of(mean[past], actual[past], 0, third, ONE_SHOP)
    flat_mean, flat_actual = mean[26:].reshape(-1, 4), actual[26:].reshape(-1, 4)
    quantiles = intervals.around(flat_mean, 0, shape)
    for level, quantile in zip(LEVELS, quantiles, strict=True):
        assert (flat_actual <= quantile).mean() == pytest.approx(level, abs=0.06)


def test_the_factor_makes_four_fifths_of_the_days_lie_inside() -> None:
    random = np.random.default_rng(4)
    mean = np.full((300, 4), 50.0)
    actual = mean + random.normal(0, 10, mean.shape)
    too_wide = np.array([mean - 20, mean - 10, mean, mean + 10, mean + 20])
    (factor,) = intervals.factors(mean, actual, too_wide, ONE_SHOP, 1)
    drawn = intervals.drawn(mean, too_wide, factor)
    assert factor < 1
    assert ((drawn[0] <= actual) & (actual <= drawn[-1])).mean() == pytest.approx(0.8, abs=0.001)


def test_few_days_set_no_factor() -> None:
    mean = np.full((10, 4), 50.0)
    assert intervals.factors(mean, mean + 1, np.array([mean - 1] * 2 + [mean] + [mean + 1] * 2), ONE_SHOP, 1).tolist() == [1.0]


def test_an_interval_is_as_wide_as_counts_are_even_where_nothing_was_missed() -> None:
    mean = np.full((20, 14, 4), 9.0)
    third = intervals.thirds(mean[0], ONE_SHOP, 1)
    quantiles = intervals.around(mean[0], 0, intervals.shape_of(mean, mean, 0, third, ONE_SHOP))
    assert quantiles[0, 0, 0] == _poisson_quantile(9, 0.1)
    assert quantiles[-1, 0, 0] == _poisson_quantile(9, 0.9)
