"""A file's past forecast again: nothing of a held day is known before it, and measures are what their definitions say."""

import random
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.forecasting.series import FORECAST_START, WEEK_UNITS, base, series

from levain_contracts.tasks import Series, ShopCalendar
from levain_training.forecasting.registry import UnknownModel
from levain_training.forecasting.rolling import past
from levain_training.forecasting.rolling.held import Curve, Held
from levain_training.forecasting.rolling.measures import baked_as_last_week, baked_by_level, by_product, measure
from levain_training.forecasting.rolling.run import Outcome, Plan, backtest

SMOOTHING = Plan("smoothing", ("naive",), 14, 3, 14)
UNITS = st.floats(0, 1e4)


def _noisy(day: date) -> float:
    return WEEK_UNITS[day.weekday()] + random.Random(day.toordinal()).randint(-5, 5)


def _run(some: list[Series], plan: Plan = SMOOTHING) -> Outcome:
    return backtest(some, [ShopCalendar()], FORECAST_START, plan)


def test_origins_end_with_the_data() -> None:
    found = past.origins(FORECAST_START, 14, 3, 7)
    assert [FORECAST_START - day for day in found] == [timedelta(days=days) for days in (28, 21, 14)]


@given(st.integers(1, 60))
def test_no_task_holds_a_day_of_its_forecast(horizon: int) -> None:
    some = [series("brot", base()), series("young", base(), days=50)]
    closed = [FORECAST_START - timedelta(days=5), FORECAST_START - timedelta(days=300)]
    for origin in past.origins(FORECAST_START, horizon, 2, horizon):
        for task in past.tasks(past.known_then(some, origin), [ShopCalendar(closed=closed)], origin, horizon, "smoothing"):
            assert all(one.start + timedelta(days=len(one.values)) <= origin for one in task.series)
            assert all(day < origin for day in task.calendars[0].closed)


def test_young_and_dormant_products_are_left_out_as_they_would_have_been() -> None:
    some = [
        series("brot", base()),
        series("young", base(), days=35),
        series("dormant", lambda day: 9.0 if day < date(2023, 6, 1) else 0.0),
        series("closed", lambda day: None),
    ]
    assert [one.product_id for one in past.known_then(some, FORECAST_START - timedelta(days=14))] == ["brot"]


def test_what_happens_after_an_origin_does_not_change_its_forecast() -> None:
    held = _run([series("brot", _noisy)]).held
    changed = _run([series("brot", lambda day: _noisy(day) if day < FORECAST_START - timedelta(days=14) else 999.0)]).held
    assert [one.curves for one in held] == [one.curves for one in changed]
    assert held[-1].actual != changed[-1].actual


def test_a_perfect_week_is_forecast_without_an_error() -> None:
    outcome = _run([series("brot", base()), series("croissant", base(3))])
    found = measure(outcome.held, "smoothing")
    assert found.days == 2 * 3 * 14
    assert found.wape == pytest.approx(0, abs=1e-6)
    assert found.bias == pytest.approx(0, abs=1e-6)
    assert found.mase is None
    assert found.wape_to_naive is None
    assert [len(some) for some in by_product(outcome.held)] == [3, 3]
    assert outcome.failed == 0


def test_a_trainer_is_compared_with_libraries_on_the_same_days() -> None:
    outcome = _run([series("brot", _noisy)], Plan("smoothing", ("naive", "ets"), 14, 1, 14))
    naive, ets, ours = (measure(outcome.held, name) for name in ("naive", "ets", "smoothing"))
    assert naive.days == ets.days == ours.days == 14
    assert naive.wape_to_naive == 1
    assert naive.coverage80 is None
    assert ets.coverage80 is not None
    assert outcome.cpu_seconds.keys() == {"naive", "ets", "smoothing"}


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UnknownModel):
        _run([series("brot", base())], Plan("crystal_ball", (), 14, 1, 14))


def test_measures_are_what_their_definitions_say() -> None:
    quantiles: list[tuple[float, ...]] = [(8.0, 9.0, 10.0, 11.0, 12.0)] * 3
    held = Held("p", "P", None, FORECAST_START, [10.0, None, 30.0], [12.0, 12.0, 20.0], 5.0, {"m": Curve([12.0, 99.0, 27.0], quantiles)})
    found = measure([held], "m")
    assert (found.days, found.units) == (2, 40)
    assert found.wape == pytest.approx(5 / 40)
    assert found.bias == pytest.approx(-1 / 40)
    assert found.mase == pytest.approx(5 / 10)
    assert found.coverage80 == 0.5
    assert found.wape_to_naive == pytest.approx(5 / 12)


@given(st.lists(st.tuples(UNITS, UNITS, st.lists(UNITS, min_size=5, max_size=5).map(sorted)), min_size=1, max_size=20))
def test_a_higher_service_level_leaves_more_and_misses_less(days: list[tuple[float, float, list[float]]]) -> None:
    quantiles: list[tuple[float, ...]] = [tuple(q) for _, _, q in days]
    curve = Curve([day[2] for day in quantiles], quantiles)
    held = [Held("p", "P", None, FORECAST_START, [a for a, _, _ in days], [n for _, n, _ in days], None, {"m": curve})]
    low, high = (baked_by_level(held, "m", level) for level in (0.3, 0.8))
    assert low.baked <= high.baked
    assert low.waste <= high.waste
    assert low.lost >= high.lost
    sold = sum(actual for actual, _, _ in days)
    for one in (low, high, baked_as_last_week(held)):
        assert one.baked + one.lost == pytest.approx(sold + one.waste, rel=1e-6, abs=1e-6)
        assert one.cost(1, 3) == pytest.approx(one.waste + 2 * one.lost)
