import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from levain_training.forecasting.outliers import anscombe, inverse, winsorise

sales = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=130),
    elements=st.sampled_from([0.0, 1.0, 2.0, 3.0, 20.0, 500.0, 0.5, float("nan")]),
    fill=st.just(20.0),
)
weeks = st.lists(st.integers(1, 400), min_size=7, max_size=7)


def regular(week: list[int], days: int = 400) -> np.ndarray:
    return np.resize(np.array(week, dtype=float), days)[None]


@settings(max_examples=60, deadline=None)
@given(sales)
def test_only_outliers_change_and_only_towards_what_is_usual(values: np.ndarray) -> None:
    done = winsorise(values)
    assert done.values.shape == done.is_outlier.shape == values.shape
    np.testing.assert_array_equal(done.values[~done.is_outlier], values[~done.is_outlier])
    assert not done.is_outlier[~(values > 0)].any()
    assert (done.values[done.is_outlier] >= 0).all()
    assert np.nanmax(done.values, initial=0) <= np.nanmax(values, initial=0)


@settings(max_examples=60, deadline=None)
@given(sales)
def test_a_product_is_judged_by_itself_where_the_shop_has_no_day_of_its_own(values: np.ndarray) -> None:
    pair = values[:2]  # two products never make a day of the shop
    together = winsorise(pair)
    alone = [winsorise(row[None]) for row in pair]
    np.testing.assert_array_equal(together.values, np.concatenate([one.values for one in alone]))


@given(weeks, st.integers(0, 399), st.integers(30, 1000))
def test_one_mad_day_is_found_and_bounded(week: list[int], day: int, times: int) -> None:
    values = regular(week)
    usual = values[0, day]
    values[0, day] = usual * times
    done = winsorise(values)
    assert np.flatnonzero(done.is_outlier[0]).tolist() == [day]
    assert usual < done.values[0, day] < usual * times


@given(weeks, weeks, st.integers(60, 340))
def test_a_level_that_moves_is_no_outlier_nor_is_a_season(week: list[int], other: list[int], day: int) -> None:
    moved = np.concatenate([regular(week, 400)[:, :day], regular(other, 400)[:, day:]], axis=1)
    assert np.count_nonzero(winsorise(moved).is_outlier) == 0
    season = np.zeros((1, 400))
    season[:, day : day + 42] = regular(other, 42)
    assert np.count_nonzero(winsorise(season).is_outlier) == 0


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 200), st.integers(0, 2**32))
def test_counts_by_chance_alone_are_hardly_ever_outliers(mean: float, seed: int) -> None:
    values = np.random.default_rng(seed).poisson(mean, (20, 730)).astype(float)
    assert winsorise(values).is_outlier.mean() < 0.005


def test_a_day_that_is_odd_for_the_whole_shop_is_left_to_the_calendar() -> None:
    values = np.resize(np.array([20.0, 21, 22, 23, 28, 35, 24]), (10, 730)).reshape(10, 730).copy()
    values[:, 300] *= 10
    values[3, 500] *= 10
    assert np.argwhere(winsorise(values).is_outlier).tolist() == [[3, 500]]


def test_few_values_or_none_are_no_ground_for_a_verdict() -> None:
    assert winsorise(np.empty((0, 5))).values.shape == (0, 5)
    assert winsorise(np.empty((3, 0))).values.shape == (3, 0)
    assert not winsorise(np.array([[1.0, 500.0, np.nan]])).is_outlier.any()
    assert not winsorise(np.full((2, 400), np.nan)).is_outlier.any()


@given(st.floats(0, 1e12))
def test_the_scale_goes_there_and_back(units: float) -> None:
    assert inverse(anscombe(np.array([units])))[0] == pytest.approx(units, rel=1e-9, abs=1e-9)
