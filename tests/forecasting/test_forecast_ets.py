"""The trainer `ets` on bakeries whose answer is known."""

import json
import random
from datetime import date, timedelta

import pytest
from tests.forecasting.series import FORECAST_START, SATURDAY, WEEK_UNITS, base, series, task, train_in_a_process, trained

from levain_contracts.tasks import FailedProduct, ResultChunk, ShopCalendar, TrainedProduct, encode

CALENDARS = [ShopCalendar(closed=[]), ShopCalendar(shop="Nord", closed=[FORECAST_START - timedelta(weeks=i) for i in range(1, 58)])]


def _noisy(day: date) -> float:
    return WEEK_UNITS[day.weekday()] + random.Random(day.toordinal()).randint(-5, 5)


def _closed_on_mondays(day: date) -> float | None:
    return None if day.weekday() == 0 else _noisy(day)


@pytest.fixture(scope="module")
def results() -> ResultChunk:
    """One batch for all tests here: the import of the library is most of the time."""
    return train_in_a_process(
        task(
            [
                series("brot", base()),
                series("croissant", base(3)),
                series("fix", lambda day: 10.0),
                series("noisy", _noisy),
                series("nothing", lambda day: 0.0),
                series("rare", lambda day: float(day.day == 13)),
                series("short", base(), days=16),
                series("one-day", lambda day: 7.0, days=1),
                series("grows", lambda day: WEEK_UNITS[day.weekday()] * (1 + (day.toordinal() % 400) / 400)),
                series("unknown", lambda day: None),
                series("stopped", lambda day: 9.0 if day < date(2023, 6, 1) else 0.0),
                series("closed", _closed_on_mondays, shop="Nord"),
            ],
            calendars=CALENDARS,
        )
    )


def test_each_product_gets_one_result_and_only_one_without_sales_fails(results: ResultChunk) -> None:
    assert len(results.results) == 12
    failed = [r for r in results.results if isinstance(r, FailedProduct)]
    assert [(f.product_id, f.reason) for f in failed] == [("unknown", "no_sales")]


def test_the_weekly_pattern_is_recovered_and_saturday_is_the_peak(results: ResultChunk) -> None:
    for name, extra in (("brot", 0), ("croissant", 3)):
        mean = trained(results)[name].forecast.mean
        assert mean == pytest.approx([u + extra for u in WEEK_UNITS] * 2, abs=0.01)
        assert mean.index(max(mean)) == SATURDAY


def test_a_noisy_week_is_forecast_better_than_last_week_repeated_and_its_interval_holds(results: ResultChunk) -> None:
    product = trained(results)["noisy"]
    scores = product.scores
    assert scores.wape is not None
    assert scores.naive_wape is not None
    assert scores.wape < scores.naive_wape
    assert scores.coverage80 is not None
    assert scores.coverage80 > 0.5
    assert product.forecast.mean[SATURDAY] == max(product.forecast.mean[:7])


def test_every_forecast_keeps_the_rules(results: ResultChunk) -> None:
    for product in trained(results).values():
        forecast = product.forecast
        assert forecast.start == FORECAST_START
        assert len(forecast.mean) == len(forecast.lo80) == len(forecast.hi80) == 14
        assert all(0 <= lo <= mean <= hi for lo, mean, hi in zip(forecast.lo80, forecast.mean, forecast.hi80, strict=True))


def test_a_perfect_week_and_a_constant_product_have_no_mase_but_a_reason(results: ResultChunk) -> None:
    for name in ("brot", "fix"):
        scores = trained(results)[name].scores
        assert scores.wape == 0
        assert scores.mase is None
        assert scores.undefined["mase"] == "naive_error_zero"
    assert trained(results)["fix"].forecast.mean == [10.0] * 14


def test_a_product_that_sold_nothing_in_the_test_has_no_wape_but_a_reason(results: ResultChunk) -> None:
    for name in ("nothing", "stopped"):
        scores = trained(results)[name].scores
        assert scores.wape is None
        assert scores.undefined["wape"] == "no_sales_in_test"
        assert trained(results)[name].forecast.mean == [0.0] * 14


def test_a_product_with_little_history_gets_its_weekdays_means_and_no_scores(results: ResultChunk) -> None:
    short = trained(results)["short"]
    assert short.forecast.mean == pytest.approx(WEEK_UNITS * 2)
    assert short.model["method"] == "weekday_means"
    assert set(short.scores.undefined.values()) == {"too_little_history"}
    assert trained(results)["one-day"].forecast.mean == [7.0] * 14


def test_no_result_holds_anything_that_is_not_json(results: ResultChunk) -> None:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is no JSON")

    json.loads(encode(results), parse_constant=refuse)


def test_a_model_says_what_it_learnt_from_which_days_of_which_data(results: ResultChunk) -> None:
    model = trained(results)["brot"].model
    assert model["schema_version"] == 1
    assert model["trainer"] == "ets"
    assert (model["trained_from"], model["trained_to"]) == ("2023-01-01", "2024-02-04")
    assert model["dataset_sha256"] == "ab" * 32
    assert str(model["method"]).startswith("ETS(")


def test_closing_days_are_learnt_from_the_calendar_of_the_products_own_shop(results: ResultChunk) -> None:
    mean = trained(results)["closed"].forecast.mean
    assert [i for i, units in enumerate(mean) if units == 0] == [0, 7]
    assert mean[SATURDAY] == max(mean[:7])
    assert trained(results)["closed"].scores.test_days == 12


def test_a_product_gets_the_same_result_in_any_process_and_any_batch(results: ResultChunk) -> None:
    again = train_in_a_process(task([series("closed", _closed_on_mondays, shop="Nord"), series("noisy", _noisy)], calendars=CALENDARS))
    for name in ("closed", "noisy"):
        assert _timeless(trained(again)[name]) == _timeless(trained(results)[name])


def _timeless(product: TrainedProduct) -> TrainedProduct:
    return product.model_copy(update={"train_seconds": 0.0})
