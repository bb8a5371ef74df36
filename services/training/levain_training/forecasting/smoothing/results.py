"""All products' arrays -> one result per product, in the rules that every forecast keeps. Pure."""

import time
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from pydantic import JsonValue

from levain_contracts.tasks import FailedProduct, Forecast, Scores, TrainedProduct, TrainingTask
from levain_training.forecasting import curves
from levain_training.forecasting.artifact import Config, Json, artifact
from levain_training.forecasting.history import History
from levain_training.forecasting.scores import TOO_LITTLE_HISTORY, Totals, no_scores, scores_of
from levain_training.forecasting.smoothing.arrays import WEEK, Array, Flags, Ints
from levain_training.forecasting.smoothing.backtest import ORIGINS, TEST_DAYS
from levain_training.forecasting.smoothing.grid import ALPHAS, GAMMAS
from levain_training.forecasting.smoothing.learnt import Learnt
from levain_training.forecasting.smoothing.panel import HISTORY_DAYS
from levain_training.forecasting.smoothing.predicted import Predicted
from levain_training.forecasting.smoothing.recursion import START_DAYS

_DIGITS = 4
_RECENT_DAYS = 56
# A mean of more than three times all that was sold on any day of eight weeks is a model that ran away.
_RUNAWAY = 3.0
_LISTED_OUTLIERS = 20


def results(
    trainer: str, task: TrainingTask, learnt: Learnt, predicted: Predicted, methods: list[str], started: float
) -> Iterator[TrainedProduct | FailedProduct]:
    """In the order of the task's series; `methods`: of each. `started`: by `time.perf_counter`, shared evenly by all."""
    known = (~np.isnan(learnt.panel.sales)).sum(axis=0)
    usable = _usable(learnt.panel.sales, known, predicted.mean)
    units = _tidy(predicted, learnt.is_open)
    fits = _fits(learnt)
    outliers = _outlier_days(learnt)
    config = _config(task.horizon_days)
    each_seconds = (time.perf_counter() - started) / len(task.series)
    for i, series in enumerate(task.series):
        if not known[i]:
            yield FailedProduct(product_id=series.product_id, reason="no_sales", message="no day with a known quantity")
            continue
        forecast, model = (_forecast(units[i], task), {"method": methods[i], **fits[i]}) if usable[i] else _simplest(learnt, i, task)
        way = learnt.cleaned.ways[int(learnt.panel.shop[i])]
        model["calendar"] = {"holidays": way.holidays, "last_year": way.last_year}
        model["interval_width"] = round(float(predicted.widths[i]), _DIGITS)
        model["outliers"] = {"count": len(outliers[i]), "days": list(outliers[i][:_LISTED_OUTLIERS])}
        # Made without its checks: the session reads what was written of each result, and lets nothing else through.
        yield TrainedProduct.model_construct(
            product_id=series.product_id,
            forecast=forecast,
            scores=_scores(predicted, i),
            model=artifact(trainer, task, series, config, HISTORY_DAYS, model),
            train_seconds=each_seconds,
        )


def _config(horizon_days: int) -> Config:
    values: Json = {
        "horizon_days": horizon_days,
        "history_days": HISTORY_DAYS,
        "origins": ORIGINS,
        "test_days": TEST_DAYS,
        "alphas": list(ALPHAS),
        "gammas": list(GAMMAS),
    }
    return Config(values)


def _fits(learnt: Learnt) -> list[Json]:
    """Of each product, in units of its days without holidays and last year's level; the season from Monday to Sunday."""
    monday = -learnt.panel.start.weekday() % WEEK
    state = learnt.smoothed.state
    season: list[list[JsonValue]] = np.round(np.roll(state.season, -monday, axis=0), _DIGITS).T.tolist()
    each = (np.round(values, digits).tolist() for values, digits in ((learnt.alpha(), 6), (learnt.gamma(), 6), (state.level, _DIGITS)))
    return [
        {"parameters": {"alpha": alpha, "gamma": gamma}, "state": {"level": level, "season": week}}
        for alpha, gamma, level, week in zip(*each, season, strict=True)
    ]


def recent_most(sales: Array) -> Array:
    """(products,): the most units of any day of the last eight weeks, else of any day."""
    recent, ever = (np.nan_to_num(days, nan=-1.0).max(axis=0) for days in (sales[-_RECENT_DAYS:], sales))
    return np.asarray(np.where(recent < 0, ever, recent))


def runs_away(sales: Array, mean: Array) -> Flags:
    """(products,)"""
    found: Flags = ~np.isfinite(mean).all(axis=0) | (mean.max(axis=0) > _RUNAWAY * recent_most(sales))
    return found


def _usable(sales: Array, known: Ints, mean: Array) -> Flags:
    """Below four weeks a season of seven has too few repetitions to be told from noise."""
    return np.asarray((known >= START_DAYS) & ~runs_away(sales, mean))


def _tidy(predicted: Predicted, is_open: Flags) -> list[list[list[float]]]:
    """By product: the mean and the five quantiles, each a list of days."""
    mean = np.where(is_open, np.clip(np.nan_to_num(predicted.mean), 0.0, curves.MOST_UNITS), 0.0)
    quantiles = np.clip(np.nan_to_num(predicted.quantiles), 0.0, curves.MOST_UNITS)
    quantiles[0], quantiles[-1] = np.minimum(quantiles[0], mean), np.maximum(quantiles[-1], mean)
    quantiles = np.minimum(np.maximum.accumulate(quantiles, axis=0), quantiles[-1])
    both = np.round(np.concatenate([mean[None], quantiles]), _DIGITS)
    found: list[list[list[float]]] = both.transpose(2, 0, 1).tolist()
    return found


def _forecast(units: list[list[float]], task: TrainingTask) -> Forecast:
    mean, lo80, q25, q50, q75, hi80 = units
    return Forecast.model_construct(start=task.forecast_start, mean=mean, lo80=lo80, q25=q25, q50=q50, q75=q75, hi80=hi80)


def _simplest(learnt: Learnt, column: int, task: TrainingTask) -> tuple[Forecast, Json]:
    """The means of the weekdays, where there is too little to smooth, or what came out is not sane."""
    values = [None if np.isnan(value) else float(value) for value in learnt.panel.sales[:, column]]
    fitted = curves.weekday_curve(History(learnt.panel.start, tuple(values)), task.horizon_days)
    fitted = curves.tidy(fitted, learnt.is_open[:, column].tolist())
    return Forecast(start=task.forecast_start, mean=fitted.mean, lo80=fitted.lo80, hi80=fitted.hi80), dict(fitted.model)


def _outlier_days(learnt: Learnt) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in range(learnt.outliers.shape[1])]
    for row, column in np.argwhere(learnt.outliers).tolist():
        found[column].append((learnt.panel.start + timedelta(days=row)).isoformat())
    return found


def _scores(predicted: Predicted, i: int) -> Scores:
    sums = predicted.sums
    if not sums.days[i]:
        return no_scores(TOO_LITTLE_HISTORY)
    coverage, scale = (None if np.isnan(value) else float(value) for value in (sums.coverage[i], sums.scale[i]))
    units = (float(sums.sold[i]), float(sums.error[i]), float(sums.missed[i]), float(sums.naive_missed[i]))
    return scores_of(Totals(int(sums.days[i]), *units, coverage, scale))
