"""The recursion is held against statsforecast on random series: the same parameters and start give the same forecasts."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levain_training.forecasting.smoothing.arrays import WEEK, Array
from levain_training.forecasting.smoothing.recursion import State, advance, spread, start_of

UNITS = st.lists(st.floats(0, 1000), min_size=4 * WEEK, max_size=12 * WEEK)
SHARES = st.floats(0.01, 1)


@pytest.fixture(scope="module")
def statsforecast() -> tuple[Any, Any]:
    """`models` and `ets`: imported by the tests that need them, for it takes seconds."""
    from statsforecast import ets, models

    return models, ets


def _coming(state: State, row: int, days: int = WEEK) -> list[Array]:
    return [state.forecast(row + day) for day in range(days)]


@settings(max_examples=50, deadline=None)
@given(values=UNITS, gamma=SHARES)
def test_without_a_moving_level_it_is_seasonal_exponential_smoothing(
    statsforecast: tuple[Any, Any], values: list[float], gamma: float
) -> None:
    y = np.array(values)[len(values) % WEEK :]  # theirs leaves out a week that is not whole, at the start
    theirs = statsforecast[0].SeasonalExponentialSmoothing(season_length=WEEK, alpha=gamma).forecast(y=y, h=WEEK)["mean"]
    state = State(np.zeros((1, 1)), y[:WEEK].reshape(WEEK, 1, 1).copy())
    advance(state, y[WEEK:, None, None], WEEK, np.zeros((1, 1)), np.full((1, 1), gamma))
    assert np.ravel(_coming(state, len(y))) == pytest.approx(theirs, abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), weeks=st.integers(6, 20), alpha=st.floats(0.05, 0.9))
def test_with_their_parameters_and_start_it_is_their_ets(statsforecast: tuple[Any, Any], seed: int, weeks: int, alpha: float) -> None:
    ets = statsforecast[1]
    y = np.random.default_rng(seed).poisson(20, weeks * WEEK + seed % WEEK).astype(float)
    theirs = ets.ets_f(y, m=WEEK, model="ANA", alpha=alpha)
    level, *season = theirs["states"][0]
    state = State(np.full((1, 1), level), np.array(season[::-1]).reshape(WEEK, 1, 1))
    used, _, gamma, _ = theirs["par"][:4]
    advance(state, y[:, None, None], 0, np.full((1, 1), used), np.full((1, 1), gamma))
    assert state.level.item() == pytest.approx(theirs["states"][-1][0])
    assert np.ravel(_coming(state, len(y))) == pytest.approx(ets.forecast_ets(theirs, h=WEEK)["mean"])


@given(UNITS, UNITS, st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=4))
def test_products_and_settings_do_not_touch_each_other(one: list[float], other: list[float], shares: list[tuple[float, float]]) -> None:
    days = min(len(one), len(other))
    sales = np.array([one[:days], other[:days]]).T
    alpha, gamma = (np.array(each).reshape(-1, 1) for each in zip(*shares, strict=True))
    together = spread(start_of(sales), (len(shares),))
    advance(together, sales, 0, alpha, gamma)
    for column in range(2):
        for i in range(len(shares)):
            alone = spread(start_of(sales[:, [column]]), (1,))
            advance(alone, sales[:, [column]], 0, alpha[[i]], gamma[[i]])
            assert alone.level.item() == pytest.approx(together.level[i, column], abs=1e-9)
            assert np.ravel(alone.season) == pytest.approx(together.season[:, i, column], abs=1e-9)


@given(UNITS, st.integers(0, 27), SHARES, SHARES)
def test_a_day_of_which_nothing_is_known_teaches_nothing(values: list[float], gap: int, alpha: float, gamma: float) -> None:
    sales = np.array(values)[:, None]
    sales[gap] = np.nan
    shares = np.full((1, 1), alpha), np.full((1, 1), gamma)
    before = spread(start_of(sales), (1,))
    after = State(before.level.copy(), before.season.copy())
    advance(before, sales[:gap], 0, *shares)
    advance(after, sales[: gap + 1], 0, *shares)
    assert (after.level == before.level).all()
    assert (after.season == before.season).all()


def test_the_days_may_come_in_pieces() -> None:
    sales = np.random.default_rng(1).poisson(9, (100, 3)).astype(float)
    shares = np.full((2, 1), 0.2), np.array([[0.1], [0.4]])
    whole, pieces = spread(start_of(sales), (2,)), spread(start_of(sales), (2,))
    advance(whole, sales, 0, *shares)
    for first, last in ((0, 30), (30, 31), (31, 100)):
        advance(pieces, sales[first:last], first, *shares)
    assert (whole.level == pieces.level).all()
    assert (whole.season == pieces.season).all()


def test_the_start_is_the_first_four_weeks_of_each_product() -> None:
    sales = np.full((70, 2), np.nan)
    sales[:, 0] = np.tile([10, 20, 30, 40, 50, 60, 70], 10)
    sales[21:, 1] = 5.0
    state = start_of(sales)
    assert state.level.tolist() == [40, 5]
    assert state.season[:, 0].tolist() == [-30, -20, -10, 0, 10, 20, 30]
    assert not state.season[:, 1].any()
