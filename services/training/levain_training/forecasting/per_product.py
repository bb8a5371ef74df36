"""The trainers `ets` and `prophet`: a library's model per product, backtested on the last two weeks."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Protocol

from levain_contracts.tasks import FailedProduct, Forecast, Scores, Series, ShopCalendar, TrainedProduct, TrainingTask
from levain_training.forecasting import curves
from levain_training.forecasting.artifact import Config, artifact
from levain_training.forecasting.curves import Fitted
from levain_training.forecasting.history import History, history_of
from levain_training.forecasting.naive import naive_scale, seasonal_naive
from levain_training.forecasting.openings import expected_open
from levain_training.forecasting.port import WorkingOn
from levain_training.forecasting.scores import TOO_LITTLE_HISTORY, Held, no_scores, score

# Two of the weekly cycles: each weekday is tested twice, and the origin is as near to today as possible.
TEST_DAYS = 14
# Less than this before the test days would score a model that nobody would use.
_LEAST_DAYS_BEFORE_TEST = 28


class Curve(Protocol):
    """A model of one product."""

    def fit(self, history: History, horizon: int) -> Fitted | None:
        """None where the history is too short, or the library finds no model."""


class PerProduct:
    def __init__(self, name: str, curve: Curve) -> None:
        self._name = name
        self._curve = curve

    def train(self, task: TrainingTask, working_on: WorkingOn) -> Iterator[TrainedProduct | FailedProduct]:
        calendars = {calendar.shop: calendar for calendar in task.calendars}
        for series in task.series:
            working_on(series.product_id)
            yield self._train_one(series, calendars.get(series.shop, ShopCalendar(shop=series.shop)), task)

    def _train_one(self, series: Series, calendar: ShopCalendar, task: TrainingTask) -> TrainedProduct | FailedProduct:
        started = time.perf_counter()
        history = history_of(series, {*calendar.closed, *calendar.given_closed}, task.forecast_start)
        if not history.known():
            return FailedProduct(product_id=series.product_id, reason="no_sales", message="no day with a known quantity")
        fitted = forecast(self._curve, history, calendar, task.horizon_days)
        if fitted is None:
            return FailedProduct(product_id=series.product_id, reason="no_forecast", message="no model gave a finite forecast")
        config = Config({"horizon_days": task.horizon_days, "history_days": curves.HISTORY_DAYS, "test_days": TEST_DAYS})
        return TrainedProduct(
            product_id=series.product_id,
            forecast=Forecast(start=task.forecast_start, mean=fitted.mean, lo80=fitted.lo80, hi80=fitted.hi80),
            scores=self._backtest(history, calendar),
            model=artifact(self._name, task, series, config, curves.HISTORY_DAYS, fitted.model),
            train_seconds=time.perf_counter() - started,
        )

    def _backtest(self, history: History, calendar: ShopCalendar) -> Scores:
        """One fit on what comes before the test days, whatever the horizon: fewer days would score chance."""
        before = history.before(TEST_DAYS)
        if len(before.values) < _LEAST_DAYS_BEFORE_TEST or not before.known():
            return no_scores(TOO_LITTLE_HISTORY)
        fitted = forecast(self._curve, before, calendar, TEST_DAYS)
        if fitted is None:
            return no_scores("no_forecast")
        actual = history.values[-TEST_DAYS:]
        return score(Held(actual, fitted.mean, fitted.lo80, fitted.hi80, seasonal_naive(before, TEST_DAYS)), naive_scale(before))


def forecast(curve: Curve, history: History, calendar: ShopCalendar, horizon: int) -> Fitted | None:
    """The curve where there is enough for it and what comes out is sane, else the means of the weekdays."""
    coming = [history.end + timedelta(days=i) for i in range(horizon)]
    for fit in (curve.fit, curves.weekday_curve):
        fitted = fit(history.last(curves.HISTORY_DAYS), horizon)
        if fitted is not None and curves.is_sane(fitted, history):
            return curves.tidy(fitted, expected_open(calendar, history.start, coming))
    return None
