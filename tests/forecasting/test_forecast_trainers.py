"""The trainers that learn from whole shops, on bakeries whose answer is known."""

import json
import random
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest
from tests.forecasting.series import BASE_DAYS, FORECAST_START, SATURDAY, WEEK_UNITS, base, series, task, train_in_a_process, trained

from levain_contracts.tasks import FailedProduct, MarkedDay, ResultChunk, ShopCalendar, TrainedProduct, TrainingTask, encode

MONDAYS = [FORECAST_START - timedelta(weeks=i) for i in range(1, 58)]
CALENDARS = [ShopCalendar(), ShopCalendar(shop="Nord", closed=MONDAYS)]


def _noisy(day: date, seed: int = 0) -> float:
    return WEEK_UNITS[day.weekday()] + random.Random(day.toordinal() * 99 + seed).randint(-5, 5)


def _closed_on_mondays(day: date) -> float | None:
    return None if day.weekday() == 0 else _noisy(day)


def _bakery(model: str) -> TrainingTask:
    some = [
        series("brot", base()),
        series("croissant", base(3)),
        series("fix", lambda day: 10.0),
        series("noisy", _noisy),
        *(series(f"noisy-{i}", partial(_noisy, seed=i)) for i in range(40)),
        series("nothing", lambda day: 0.0),
        series("rare", lambda day: float(day.day == 13)),
        series("short", base(), days=16),
        series("one-day", lambda day: 7.0, days=1),
        series("young", base(), days=40),
        series("grows", lambda day: WEEK_UNITS[day.weekday()] * (1 + (day.toordinal() % 400) / 400)),
        series("unknown", lambda day: None),
        series("stopped", lambda day: 9.0 if day < date(2023, 6, 1) else 0.0),
        series("slip", lambda day: 3000.0 if day == date(2023, 11, 8) else _noisy(day)),
        series("closed", _closed_on_mondays, shop="Nord"),
    ]
    return task(some, calendars=CALENDARS, model=model)


@pytest.fixture(scope="module", params=["smoothing", "blend", "auto"])
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def results(model: str) -> ResultChunk:
    return train_in_a_process(_bakery(model))


def test_each_product_gets_one_result_and_only_one_without_sales_fails(results: ResultChunk, model: str) -> None:
    assert [r.product_id for r in results.results] == [s.product_id for s in _bakery(model).series]
    failed = [r for r in results.results if isinstance(r, FailedProduct)]
    assert [(f.product_id, f.reason) for f in failed] == [("unknown", "no_sales")]


def test_the_weekly_pattern_is_recovered_and_saturday_is_the_peak(results: ResultChunk) -> None:
    for name, extra in (("brot", 0), ("croissant", 3)):
        mean = trained(results)[name].forecast.mean
        assert mean == pytest.approx([u + extra for u in WEEK_UNITS] * 2, abs=1)
        assert mean.index(max(mean)) % 7 == SATURDAY


def test_noisy_weeks_are_forecast_better_than_last_week_repeated_and_intervals_hold(results: ResultChunk) -> None:
    scores = [product.scores for name, product in trained(results).items() if name.startswith("noisy")]
    assert len(scores) == 41
    for one in scores:
        assert one.wape is not None
        assert one.naive_wape is not None
        assert one.wape < one.naive_wape
    covered = [one.coverage80 for one in scores if one.coverage80 is not None]
    assert sum(covered) / 41 == pytest.approx(0.8, abs=0.05)
    biases = [one.bias for one in scores if one.bias is not None]
    assert sum(biases) / 41 == pytest.approx(0, abs=0.03)


def test_every_forecast_keeps_the_rules(results: ResultChunk) -> None:
    for product in trained(results).values():
        f = product.forecast
        assert f.start == FORECAST_START
        assert f.q25 is not None
        assert f.q50 is not None
        assert f.q75 is not None
        assert all(len(days) == 14 for days in (f.mean, f.lo80, f.q25, f.q50, f.q75, f.hi80))
        for mean, *day in zip(f.mean, f.lo80, f.q25, f.q50, f.q75, f.hi80, strict=True):
            assert 0 <= day[0] <= mean <= day[-1]
            assert day == sorted(day)


def test_a_perfect_week_and_a_constant_product_have_no_mase_but_a_reason(results: ResultChunk, model: str) -> None:
    for name in ("brot", "fix"):
        scores = trained(results)[name].scores
        assert scores.mase is None
        assert scores.undefined["mase"] == "naive_error_zero"
        assert model != "smoothing" or scores.wape == 0


def test_a_product_that_sold_nothing_in_the_test_has_no_wape_but_a_reason(results: ResultChunk) -> None:
    for name in ("nothing", "stopped"):
        scores = trained(results)[name].scores
        assert scores.wape is None
        assert scores.undefined["wape"] == "no_sales_in_test"
        assert trained(results)[name].forecast.mean == pytest.approx([0.0] * 14, abs=0.01)


def test_a_product_with_little_history_gets_its_weekdays_means_and_no_scores(results: ResultChunk) -> None:
    short = trained(results)["short"]
    assert short.forecast.mean == pytest.approx(WEEK_UNITS * 2)
    assert short.model["method"] == "weekday_means"
    assert set(short.scores.undefined.values()) == {"too_little_history"}
    assert trained(results)["one-day"].forecast.mean == [7.0] * 14


def test_a_slip_of_the_till_is_left_out_of_training_and_named(results: ResultChunk) -> None:
    slip = trained(results)["slip"]
    assert max(slip.forecast.mean) < 45
    assert slip.model["outliers"] == {"count": 1, "days": ["2023-11-08"]}
    assert trained(results)["brot"].model["outliers"] == {"count": 0, "days": []}


def test_no_result_holds_anything_that_is_not_json(results: ResultChunk) -> None:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is no JSON")

    json.loads(encode(results), parse_constant=refuse)


def test_a_model_says_what_it_learnt_how_and_from_which_days_of_which_data(results: ResultChunk, model: str) -> None:
    kept = trained(results)["noisy"].model
    assert kept["schema_version"] == 1
    assert kept["trainer"] == model
    assert (kept["trained_from"], kept["trained_to"]) == ("2023-01-01", "2024-02-04")
    assert kept["dataset_sha256"] == "ab" * 32
    assert len(str(kept["config_sha256"])) == 64
    assert kept["code_version"]
    assert isinstance(kept["config"], dict)
    assert kept["config"]["horizon_days"] == 14
    state = kept["state"]
    assert isinstance(state, dict)
    assert state["level"] == pytest.approx(sum(WEEK_UNITS) / 7, abs=3)


def test_closing_days_are_learnt_from_the_calendar_of_the_products_own_shop(results: ResultChunk) -> None:
    mean = trained(results)["closed"].forecast.mean
    assert [i for i, units in enumerate(mean) if units == 0] == [0, 7]
    assert mean[SATURDAY] == max(mean[:7])


def test_the_same_task_gives_the_same_results(results: ResultChunk, model: str) -> None:
    again = train_in_a_process(_bakery(model))
    for name, product in trained(again).items():
        assert _timeless(product) == _timeless(trained(results)[name])


def _timeless(product: TrainedProduct) -> TrainedProduct:
    return product.model_copy(update={"train_seconds": 0.0})


def test_the_blend_blends_where_most_days_sell_and_smooths_where_they_do_not() -> None:
    blend = trained(train_in_a_process(_bakery("blend")))
    assert "LightGBM" in str(blend["noisy"].model["method"])
    assert blend["rare"].model["method"] == "ETS(A,N,A)"


def test_where_openmp_is_missing_auto_smooths_and_the_blend_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "lightgbm.py").write_text("raise OSError('libgomp.so.1: cannot open shared object file')")
    auto, blend = (train_in_a_process(_bakery(model), PYTHONPATH=str(tmp_path)) for model in ("auto", "blend"))
    assert not any("LightGBM" in str(product.model["method"]) for product in trained(auto).values())
    assert len(trained(auto)) == len(auto.results) - 1
    for result in blend.results:
        assert isinstance(result, FailedProduct)
        assert result.reason == "trainer_not_installed"
        assert "libgomp1" in result.message


@pytest.mark.parametrize("model", ["blend", "auto"])
def test_a_product_that_is_sent_alone_gets_the_smoothing(model: str) -> None:
    alone = task([series("noisy", _noisy)], model=model).model_copy(update={"alone": True})
    (product,) = trained(train_in_a_process(alone)).values()
    assert product.model["method"] == "ETS(A,N,A)"


def _with_a_feast(days: int) -> TrainingTask:
    """A feast on each 20th that doubles the sales, half as much again on its eve."""

    def units(day: date, more: int) -> float:
        return {20: 2.0, 19: 1.5}.get(day.day, 1.0) * _noisy(day) + more

    start = FORECAST_START - timedelta(days=days)
    feasts = [MarkedDay(date=day, label="Feast") for day in (start + timedelta(days=i) for i in range(days + 20)) if day.day == 20]
    some = [series(f"p{i}", partial(units, more=i), days) for i in range(12)]
    return task(some, calendars=[ShopCalendar(holidays=feasts)], horizon_days=20, model="smoothing")


def test_a_holiday_and_its_eve_are_forecast_as_the_shop_had_them() -> None:
    products = trained(train_in_a_process(_with_a_feast(BASE_DAYS)))
    eve, feast = (date(2024, 2, day) for day in (19, 20))
    for product in products.values():
        assert product.model["calendar"] == {"holidays": True, "last_year": 0.0}
        mean = product.forecast.mean
        ordinary = mean[(feast - FORECAST_START).days - 7]
        assert 1.6 < mean[(feast - FORECAST_START).days] / ordinary < 2.2
        assert mean[(eve - FORECAST_START).days] > 1.2 * mean[(eve - FORECAST_START).days - 7]


def test_given_days_of_the_calendar_overrule_what_was_learnt() -> None:
    closed, opened = FORECAST_START + timedelta(days=2), FORECAST_START + timedelta(days=7)
    calendar = ShopCalendar(shop="Nord", closed=MONDAYS, given_closed=[closed], given_open=[opened])
    order = task([series("closed", _closed_on_mondays, shop="Nord")], calendars=[calendar], model="smoothing")
    (product,) = trained(train_in_a_process(order)).values()
    assert [i for i, units in enumerate(product.forecast.mean) if units == 0] == [0, 2]


def test_a_holiday_on_which_the_shop_was_always_closed_is_forecast_as_closed() -> None:
    days = [FORECAST_START + timedelta(days=offset) for offset in (-300, -200, 4)]
    calendar = ShopCalendar(closed=days[:2], holidays=[MarkedDay(date=day, label="Rest") for day in days])
    units = [series("brot", lambda day: None if day in days else _noisy(day))]
    (product,) = trained(train_in_a_process(task(units, calendars=[calendar], model="smoothing"))).values()
    assert [i for i, mean in enumerate(product.forecast.mean) if mean == 0] == [4]


def test_a_season_comes_as_it_came_last_year() -> None:
    """A town that fills up in February: the second year is forecast to fill up as the first did."""
    days = 720

    def units(day: date, more: int) -> float:
        return (2.0 if day.month in (2, 3, 8, 9) else 1.0) * _noisy(day) + more

    order = task([series(f"p{i}", partial(units, more=i), days) for i in range(12)], model="smoothing")
    products = trained(train_in_a_process(order))
    assert all(product.model["calendar"] == {"holidays": False, "last_year": 1.0} for product in products.values())


@pytest.mark.parametrize("days", [1, 20, 40])
def test_a_bakery_that_opened_a_few_weeks_ago_gets_forecasts(model: str, days: int) -> None:
    # Not one day of any of its products can be tested.
    order = task([series("brot", base(), days), series("noisy", _noisy, days)], model=model)
    assert [result.kind for result in train_in_a_process(order).results] == ["trained", "trained"]
