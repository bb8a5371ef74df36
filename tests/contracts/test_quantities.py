"""How many to bake: never fewer for a higher service level, and the right number where it is known."""

from datetime import date
from itertools import pairwise
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levain_contracts.quantities import LEVELS, critical_ratio, quantiles_of, quantity_for, with_quartiles
from levain_contracts.tasks import Forecast

QUANTILES = st.lists(st.floats(0, 1e9), min_size=5, max_size=5).map(sorted)
SERVICE_LEVELS = st.floats(0, 1, exclude_min=True, exclude_max=True)


@given(QUANTILES, st.lists(SERVICE_LEVELS, min_size=2, max_size=5).map(sorted))
def test_a_higher_service_level_never_asks_for_less(quantiles: list[float], levels: list[float]) -> None:
    quantities = [quantity_for(quantiles, level) for level in levels]
    assert quantities[0] >= 0
    assert all(b >= a - 1e-6 for a, b in pairwise(quantities))


@given(QUANTILES)
def test_at_a_known_level_it_is_that_quantile(quantiles: list[float]) -> None:
    for level, quantile in zip(LEVELS, quantiles, strict=True):
        assert quantity_for(quantiles, level) == pytest.approx(quantile, abs=1e-6)


@given(QUANTILES, SERVICE_LEVELS.filter(lambda level: 0.1 <= level <= 0.9))
def test_between_known_levels_it_lies_between_their_quantiles(quantiles: list[float], level: float) -> None:
    below = max(q for p, q in zip(LEVELS, quantiles, strict=True) if p <= level)
    above = min(q for p, q in zip(LEVELS, quantiles, strict=True) if p >= level)
    assert below - 1e-6 <= quantity_for(quantiles, level) <= above + 1e-6


@given(st.floats(50, 1e4), st.floats(0.1, 10), st.floats(0.011, 0.989))
def test_it_is_exact_where_sales_are_normal(mean: float, spread: float, level: float) -> None:
    sales = NormalDist(mean, spread)
    assert quantity_for([sales.inv_cdf(p) for p in LEVELS], level) == pytest.approx(sales.inv_cdf(level))


def test_beyond_one_in_a_hundred_the_level_is_clamped() -> None:
    quantiles = [10, 15, 20, 25, 30]
    assert quantity_for(quantiles, 0.9999) == quantity_for(quantiles, 0.99)
    assert quantity_for(quantiles, 0.0001) == quantity_for(quantiles, 0.01)


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.1, float("nan")])
def test_a_level_outside_of_nought_to_one_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantity_for([1, 2, 3, 4, 5], level)


def test_the_critical_ratio_is_what_a_piece_earns_of_its_price() -> None:
    assert critical_ratio(0.4, 1.2) == pytest.approx(2 / 3)
    for cost, price in ((1.2, 1.2), (2, 1), (-1, 1), (0, 0), (float("nan"), 1)):
        with pytest.raises(ValueError, match="below the price"):
            critical_ratio(cost, price)


def test_a_forecast_of_before_gets_the_quartiles_of_a_normal() -> None:
    old = Forecast(start=date(2024, 2, 5), mean=[10.0], lo80=[10 - 1.2815515655], hi80=[10 + 2 * 1.2815515655])
    (day,) = quantiles_of(old)
    assert day == pytest.approx((8.71845, 9.32551, 10, 11.34898, 12.5631), abs=1e-4)
    new = with_quartiles(old)
    assert with_quartiles(new) is new
