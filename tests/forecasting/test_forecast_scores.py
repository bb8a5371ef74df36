"""Scores, the yardstick and the rules for curves, on everything that a series may hold."""

import json
import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.forecasting.series import FORECAST_START, WEEK_UNITS, base, series

from levain_contracts.tasks import Scores
from levain_training.forecasting import curves
from levain_training.forecasting.history import History, closed_weekdays, fill, history_of, open_days, weekday_means
from levain_training.forecasting.naive import naive_scale, seasonal_naive
from levain_training.forecasting.scores import Held, score

UNITS = st.one_of(st.just(0.0), st.floats(0, 1e3), st.floats(0, 1e12))
MAYBE = st.one_of(st.none(), UNITS)
DAYS = st.lists(st.tuples(MAYBE, UNITS, UNITS, UNITS, UNITS), min_size=1, max_size=30)
HISTORIES = st.builds(
    History,
    st.dates(date(2000, 1, 1), date(2030, 1, 1)),
    st.lists(MAYBE, min_size=1, max_size=80).map(tuple),
    st.frozensets(st.dates(date(2000, 1, 1), date(2030, 4, 1)), max_size=20),
)


def _held(days: list[tuple[float | None, float, float, float, float]]) -> Held:
    actual, mean, lo80, hi80, naive = zip(*days, strict=True)
    return Held(actual, mean, lo80, hi80, naive)


@given(DAYS, st.one_of(st.none(), st.floats(0, 1e12)))
def test_a_score_is_a_bounded_number_or_has_a_reason(
    days: list[tuple[float | None, float, float, float, float]], scale: float | None
) -> None:
    scores = score(_held(days), scale)
    for name in ("wape", "mase", "bias", "coverage80", "naive_wape", "naive_mase"):
        value = getattr(scores, name)
        assert (value is None) == (name in scores.undefined)
        assert value is None or (math.isfinite(value) and abs(value) <= 1e6)
    Scores.model_validate_json(json.dumps(scores.model_dump(), allow_nan=False))


def test_scores_are_what_their_definitions_say() -> None:
    held = Held(actual=[10, None, 30], mean=[12, 99, 27], lo80=[9, 0, 20], hi80=[11, 0, 31], naive=[10, 0, 20])
    scores = score(held, scale=5)
    assert scores.test_days == 2
    assert scores.wape == pytest.approx(5 / 40)
    assert scores.bias == pytest.approx(-1 / 40)
    assert scores.mase == pytest.approx(2.5 / 5)
    assert scores.coverage80 == 1
    assert scores.naive_wape == pytest.approx(10 / 40)
    assert scores.naive_mase == pytest.approx(1)
    assert scores.undefined == {}


@given(DAYS)
def test_a_forecast_equal_to_what_happened_has_no_error(days: list[tuple[float | None, float, float, float, float]]) -> None:
    held = _held([(a, a or 0.0, lo, hi, n) for a, _, lo, hi, n in days])
    scores = score(held, 1.0)
    assert scores.wape in (0, None)
    assert scores.mase in (0, None)


@given(HISTORIES, st.integers(1, 40))
def test_the_yardstick_repeats_the_last_known_value_of_each_weekday(history: History, horizon: int) -> None:
    naive = seasonal_naive(history, horizon)
    assert len(naive) == horizon
    for i, value in enumerate(naive):
        same_weekday = [v for v in history.values[(len(history.values) + i) % 7 :: 7] if v is not None]
        assert value == (same_weekday[-1] if same_weekday else 0.0)


def test_the_scale_of_mase_is_the_mean_change_from_week_to_week() -> None:
    history = History(FORECAST_START, (1.0, None, *[0.0] * 5, 4.0, 9.0, *[0.0] * 5))
    assert naive_scale(history) == pytest.approx(3 / 6)
    assert naive_scale(History(FORECAST_START, (1.0,) * 7)) is None


@given(HISTORIES)
def test_a_filled_history_keeps_what_is_known_and_has_no_gap(history: History) -> None:
    filled = fill(history)
    if not history.known():
        assert filled == []
        return
    assert len(filled) == len(history.values)
    for given_value, value in zip(history.values, filled, strict=True):
        assert value == given_value if given_value is not None else min(history.known()) <= value <= max(history.known())


def test_a_gap_is_filled_with_its_own_weekdays() -> None:
    gap = {FORECAST_START - timedelta(days=i) for i in range(20, 50)}
    history = history_of(series("brot", lambda day: None if day in gap else WEEK_UNITS[day.weekday()]), gap, FORECAST_START)
    assert fill(history) == fill(history_of(series("brot", base()), [], FORECAST_START))


@given(HISTORIES.filter(lambda h: bool(h.known())), st.integers(1, 40))
def test_the_simplest_curve_is_always_sane_and_tidy(history: History, horizon: int) -> None:
    fitted = curves.weekday_curve(history, horizon)
    assert curves.is_sane(fitted, history)
    tidy = curves.tidy(fitted, open_days(history, horizon))
    assert len(tidy.mean) == horizon
    assert all(0 <= lo <= mean <= hi for lo, mean, hi in zip(tidy.lo80, tidy.mean, tidy.hi80, strict=True))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 301.0])
def test_a_curve_that_ran_away_is_refused(bad: float) -> None:
    history = History(FORECAST_START, (100.0,) * 30)
    assert curves.is_sane(curves.Fitted([300.0], [0.0], [400.0], {}), history)
    assert not curves.is_sane(curves.Fitted([bad], [0.0], [400.0], {}), history)


def _closings(closed: list[date], days: int = 120) -> frozenset[int]:
    shut = set(closed)
    return closed_weekdays(history_of(series("brot", lambda day: None if day in shut else 1.0, days), closed, FORECAST_START))


def _back(weekday: int, weeks: list[int]) -> list[date]:
    """The given weekday, so many weeks before the forecast starts."""
    return [FORECAST_START + timedelta(days=weekday - 7 * week) for week in weeks]


def test_a_weekday_closed_in_seven_of_eight_weeks_is_expected_to_be_closed() -> None:
    assert _closings(_back(0, [1, 2, 3, 4, 6, 7, 8])) == {0}
    assert _closings(_back(0, [1, 2, 3, 4, 6, 7])) == frozenset()


def test_a_holiday_of_the_whole_shop_closes_no_weekday_afterwards() -> None:
    holiday = [FORECAST_START - timedelta(days=i) for i in range(3, 70)]
    assert _closings(holiday) == frozenset()
    assert _closings(sorted({*holiday, *_back(0, list(range(1, 17)))})) == {0}


def test_a_young_shop_needs_four_weeks_to_show_its_closing_day() -> None:
    assert _closings(_back(6, [1, 2, 3]), days=21) == frozenset()
    assert _closings(_back(6, [1, 2, 3, 4]), days=28) == {6}


def test_days_after_the_series_are_missing_and_later_ones_are_cut_off() -> None:
    some = series("brot", lambda day: 1.0, days=3)
    assert history_of(some, [], FORECAST_START + timedelta(days=2)).values == (1.0, 1.0, 1.0, None, None)
    assert history_of(some, [], FORECAST_START - timedelta(days=1)).values == (1.0, 1.0)
    assert history_of(some, [], some.start - timedelta(days=5)).values == ()


def test_means_of_weekdays_come_from_the_last_eight_weeks() -> None:
    history = history_of(series("brot", lambda day: 5.0 if day < FORECAST_START - timedelta(weeks=8) else 8.0), [], FORECAST_START)
    assert weekday_means(history) == [8.0] * 7
