"""The backtest sees nothing of the days that it tests, and its weights follow what each setting missed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.forecasting.series import BASE_START

from levain_training.forecasting.history import History
from levain_training.forecasting.naive import seasonal_naive
from levain_training.forecasting.smoothing.arrays import Array
from levain_training.forecasting.smoothing.backtest import TEST_DAYS, Days, actuals, naives, origins, smooth, weigh
from levain_training.forecasting.smoothing.grid import few_settings


def _sales(seed: int, days: int, products: int) -> Array:
    random = np.random.default_rng(seed)
    sales = random.poisson(random.uniform(0.2, 50, products), (days, products)).astype(float)
    sales[random.random((days, products)) < 0.1] = np.nan
    return sales


def _tested(sales: Array) -> Array:
    rows = origins(len(sales))
    factor = np.ones((len(sales) + TEST_DAYS, sales.shape[1]))
    is_open = np.ones((len(rows), TEST_DAYS, sales.shape[1]), bool)
    return smooth(Days(sales, sales, factor), few_settings(), is_open).tested.mean


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(60, 260), st.data())
def test_no_forecast_knows_the_day_of_its_origin_or_a_later_one(seed: int, days: int, data: st.DataObject) -> None:
    sales = _sales(seed, days, 3)
    rows = origins(days)
    i = data.draw(st.integers(0, len(rows) - 1))
    changed = sales.copy()
    changed[rows[i] :] = changed[rows[i] :] * 3 + 7
    assert np.array_equal(_tested(sales)[: i + 1], _tested(changed)[: i + 1], equal_nan=True)


@given(st.integers(0, 1000), st.integers(42, 120))
def test_the_yardstick_is_the_same_as_that_of_single_products(seed: int, days: int) -> None:
    sales = _sales(seed, days, 2)
    rows = origins(days)
    for column in range(2):
        values = tuple(None if np.isnan(v) else float(v) for v in sales[:, column])
        for i, row in enumerate(rows):
            expected = seasonal_naive(History(BASE_START, values[:row]), TEST_DAYS)
            assert naives(sales, rows)[i, :, column].tolist() == expected


def test_a_product_is_tested_from_four_weeks_of_known_days_on() -> None:
    sales = np.ones((200, 2))
    sales[:150, 1] = np.nan
    tested = ~np.isnan(actuals(sales, origins(200)))
    assert tested[:, :, 0].all()
    assert [row for row, days in zip(origins(200), tested[:, :, 1], strict=True) if days.any()] == [
        row for row in origins(200) if row >= 178
    ]


@given(st.lists(st.lists(st.floats(0, 1e6), min_size=4, max_size=4), min_size=2, max_size=6))
def test_weights_are_shares_and_the_better_setting_has_more(errors: list[list[float]]) -> None:
    weights = weigh(np.array(errors))
    assert np.isfinite(weights).all()
    assert weights.sum(axis=0) == pytest.approx(1)
    for column in np.flatnonzero(np.array(errors).max(axis=0) > 0).tolist():
        by_error = np.argsort(np.array(errors)[:, column], kind="stable")
        assert (np.diff(weights[by_error, column]) <= 1e-12).all()


def test_a_product_without_errors_is_weighted_as_the_others() -> None:
    weights = weigh(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]]))
    assert weights[:, 2] == pytest.approx(weights[:, 0])


def test_too_few_days_have_no_origin() -> None:
    assert origins(41) == []
    assert origins(42) == [28]
    assert len(origins(730)) == 26
