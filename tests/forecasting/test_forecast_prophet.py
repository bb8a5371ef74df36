"""The trainer `prophet`, an extra: one bakery whose answer is known, since it takes a second a product."""

from datetime import timedelta

import pytest
from tests.forecasting.series import FORECAST_START, SATURDAY, WEEK_UNITS, base, series, task, train_in_a_process, trained

from levain_contracts.tasks import ShopCalendar


def test_prophet_recovers_a_week_and_keeps_its_hands_off_closed_days() -> None:
    mondays = [FORECAST_START - timedelta(weeks=i) for i in range(1, 58)]
    some = [
        series("brot", base()),
        series("closed", lambda day: None if day.weekday() == 0 else WEEK_UNITS[day.weekday()], shop="Nord"),
        series("short", base(), days=20),
    ]
    order = task(some, calendars=[ShopCalendar(shop="Nord", closed=mondays)], model="prophet")
    products = trained(train_in_a_process(order))
    assert products["brot"].forecast.mean == pytest.approx(WEEK_UNITS * 2, abs=0.5)
    assert products["closed"].forecast.mean[0] == products["closed"].forecast.mean[7] == 0
    assert products["closed"].forecast.mean.index(max(products["closed"].forecast.mean)) % 7 == SATURDAY
    assert products["brot"].model["method"] == "Prophet"
    assert products["short"].model["method"] == "weekday_means"
    again = trained(train_in_a_process(order))
    assert {name: one.forecast for name, one in again.items()} == {name: one.forecast for name, one in products.items()}
