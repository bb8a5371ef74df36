"""The trainer `ets`: per product, exponential smoothing with a weekly season, backtested on the last two weeks."""

import time
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from levain_contracts.tasks import FailedProduct, Forecast, Scores, Series, TrainedProduct, TrainingTask
from levain_training.forecasting import curves
from levain_training.forecasting.curves import Fitted
from levain_training.forecasting.history import History, history_of, open_days
from levain_training.forecasting.naive import naive_scale, seasonal_naive
from levain_training.forecasting.port import TrainerPlan, WorkingOn
from levain_training.forecasting.scores import TOO_LITTLE_HISTORY, Held, no_scores, score

if TYPE_CHECKING:
    from levain_training.forecasting.autoets import AutoEts

NAME = "ets"
SCHEMA_VERSION = 1
# Two of the weekly cycles: each weekday is tested twice, and the origin is as near to today as possible.
TEST_DAYS = 14
# Less than this before the test days would score a model that nobody would use.
_LEAST_DAYS_BEFORE_TEST = 28
# About 1 s of work: a job of 20 products still fills two workers, and a batch costs the broker a few milliseconds.
_PRODUCTS_PER_BATCH = 8


class Ets:
    def __init__(self, auto_ets: "AutoEts") -> None:
        self._auto_ets = auto_ets

    def train(self, task: TrainingTask, working_on: WorkingOn) -> Iterator[TrainedProduct | FailedProduct]:
        closed = {calendar.shop: calendar.closed for calendar in task.calendars}
        for series in task.series:
            working_on(series.product_id)
            yield self._train_one(series, closed.get(series.shop, []), task)

    def _train_one(self, series: Series, closed: list[date], task: TrainingTask) -> TrainedProduct | FailedProduct:
        started = time.perf_counter()
        history = history_of(series, closed, task.forecast_start)
        if not history.known():
            return FailedProduct(product_id=series.product_id, reason="no_sales", message="no day with a known quantity")
        fitted = self._forecast(history, task.horizon_days)
        if fitted is None:
            return FailedProduct(product_id=series.product_id, reason="no_forecast", message="no model gave a finite forecast")
        return TrainedProduct(
            product_id=series.product_id,
            forecast=Forecast(start=task.forecast_start, mean=fitted.mean, lo80=fitted.lo80, hi80=fitted.hi80),
            scores=self._backtest(history),
            model={
                "schema_version": SCHEMA_VERSION,
                "trainer": NAME,
                "trained_from": series.start.isoformat(),
                "trained_to": curves.last_day(history).isoformat(),
                "dataset_sha256": task.dataset_sha256,
                "config": {"horizon_days": task.horizon_days, "history_days": curves.HISTORY_DAYS, "test_days": TEST_DAYS},
                **fitted.model,
            },
            train_seconds=time.perf_counter() - started,
        )

    def _forecast(self, history: History, horizon: int) -> Fitted | None:
        """Smoothing where there is enough to smooth and what comes out is sane, else the means of the weekdays."""
        candidates = (self._auto_ets.fit, curves.weekday_curve)
        for fit in candidates:
            fitted = fit(history.last(curves.HISTORY_DAYS), horizon)
            if fitted is not None and curves.is_sane(fitted, history):
                return curves.tidy(fitted, open_days(history, horizon))
        return None

    def _backtest(self, history: History) -> Scores:
        """One fit on what comes before the test days, whatever the horizon: fewer days would score chance."""
        before = history.before(TEST_DAYS)
        if len(before.values) < _LEAST_DAYS_BEFORE_TEST or not before.known():
            return no_scores(TOO_LITTLE_HISTORY)
        fitted = self._forecast(before, TEST_DAYS)
        if fitted is None:
            return no_scores("no_forecast")
        actual = history.values[-TEST_DAYS:]
        return score(Held(actual, fitted.mean, fitted.lo80, fitted.hi80, seasonal_naive(before, TEST_DAYS)), naive_scale(before))


def _load() -> Ets:
    from levain_training.forecasting.autoets import AutoEts

    return Ets(AutoEts())


PLAN = TrainerPlan(NAME, "product", _PRODUCTS_PER_BATCH, _load)
