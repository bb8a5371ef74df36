"""What a shop's days are cleaned of: learnt from the days before only, and what it should be where the answer is known."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levain_contracts.tasks import MarkedDay, ShopCalendar
from levain_training.forecasting.openings import expected_open
from levain_training.forecasting.smoothing.arrays import Array
from levain_training.forecasting.smoothing.holidays import effects_of
from levain_training.forecasting.smoothing.panel import Panel
from levain_training.forecasting.smoothing.results import runs_away
from levain_training.forecasting.smoothing.yearly import YEAR_DAYS, log_levels

START = date(2022, 1, 3)
DAYS, AHEAD = 700, 14
FEASTS = [START + timedelta(days=days) for days in range(60, DAYS + AHEAD, 91)]


def _panel(sales: Array, marks: list[MarkedDay]) -> Panel:
    return Panel(START, AHEAD, sales, np.zeros(sales.shape[1], np.int64), (ShopCalendar(holidays=marks),))


def _totals(seed: int) -> Array:
    return np.random.default_rng(seed).poisson(200, (DAYS, 1)).astype(float)


def _marks() -> list[MarkedDay]:
    return [MarkedDay(date=day, label=f"Feast {i % 3}") for i, day in enumerate(FEASTS)]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 100))
def test_ordinary_days_have_no_effect_and_nothing_is_expected_before_the_first_holiday(seed: int) -> None:
    totals = _totals(seed)
    expected = effects_of(_panel(totals, _marks()), totals, AHEAD).log_factor[:, 0]
    rows = [(day - START).days for day in FEASTS]
    assert not np.delete(expected, [*rows, *(row - 1 for row in rows)]).any()
    assert not expected[: rows[0] + 1].any()


def test_a_holiday_that_doubles_sales_is_expected_to_double_them() -> None:
    totals = _totals(1)
    for day in FEASTS:
        if (row := (day - START).days) < DAYS:
            totals[row] *= 2
            totals[row - 1] *= 1.5
    expected = np.exp(effects_of(_panel(totals, _marks()), totals, AHEAD).log_factor[:, 0])
    later = [(day - START).days for day in FEASTS if (day - START).days > 360]
    assert expected[later] == pytest.approx(2, rel=0.1)
    assert expected[np.array(later) - 1] == pytest.approx(1.5, rel=0.1)


def test_marks_without_an_effect_are_shrunk_to_a_part_of_the_noise() -> None:
    rows = [(day - START).days for day in FEASTS[1:]]
    expected = np.array([effects_of(_panel(_totals(seed), _marks()), _totals(seed), AHEAD).log_factor[rows, 0] for seed in range(20)])
    noise_of_a_day = 200**-0.5
    assert np.sqrt((expected**2).mean()) < 0.6 * noise_of_a_day


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 100), st.integers(YEAR_DAYS + 30, DAYS - 30))
def test_nothing_after_a_day_moves_the_level_that_is_expected_of_it(seed: int, row: int) -> None:
    """But by one factor for all days: levels are told apart from the last day's, and weekdays from the whole past's."""
    totals = np.repeat(np.random.default_rng(seed).uniform(50, 500, (DAYS // 7, 1)), 7, axis=0)
    changed = totals.copy()
    changed[row // 7 * 7 :] *= 2
    before, after = (log_levels(some, AHEAD)[YEAR_DAYS + 20 : row // 7 * 7] for some in (totals, changed))
    assert np.diff(before, axis=0) == pytest.approx(np.diff(after, axis=0), abs=1e-9)


def test_a_season_of_last_year_shows_as_the_change_of_its_level() -> None:
    totals = np.full((DAYS, 1), 100.0)
    season = slice(DAYS - YEAR_DAYS + 20, DAYS - YEAR_DAYS + 80)  # three weeks after today, a year ago
    totals[season] = 200
    levels = np.exp(log_levels(totals, 60)[:, 0])
    assert levels[DAYS] == pytest.approx(1, abs=0.01)
    assert levels[DAYS + 50] == pytest.approx(2, rel=0.01)


def test_without_a_last_year_the_level_stays() -> None:
    assert not log_levels(_totals(3)[:300], AHEAD).any()


def test_a_mean_of_more_than_three_times_the_most_of_eight_weeks_runs_away() -> None:
    sales = np.full((100, 4), 10.0)
    sales[0, 0] = 1000.0  # long ago
    mean = np.array([[30.0, 30.1, np.nan, np.inf]] * 2)
    assert runs_away(sales, mean).tolist() == [False, True, True, True]


@given(st.sets(st.integers(0, 120), max_size=60), st.sets(st.integers(0, 13), max_size=5), st.sets(st.integers(0, 13), max_size=5))
def test_given_days_win_over_learnt_ones_and_open_over_closed(closed: set[int], shut: set[int], opened: set[int]) -> None:
    first = START + timedelta(days=121)
    coming = [first + timedelta(days=i) for i in range(14)]
    calendar = ShopCalendar(
        closed=[START + timedelta(days=i) for i in sorted(closed)],
        given_closed=[coming[i] for i in sorted(shut)],
        given_open=[coming[i] for i in sorted(opened)],
    )
    learnt = expected_open(ShopCalendar(closed=calendar.closed), START, coming)
    for i, is_open in enumerate(expected_open(calendar, START, coming)):
        assert is_open == (True if i in opened else learnt[i] and i not in shut)
