"""Forecasts a file's past again. Runs in the process that asks, one product after the other."""

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from levain_contracts.quantities import quantiles_of
from levain_contracts.tasks import Forecast, Series, ShopCalendar, TrainedProduct
from levain_training.forecasting import session
from levain_training.forecasting.naive import naive_scale, seasonal_naive
from levain_training.forecasting.registry import plan_of
from levain_training.forecasting.rolling import past, peers
from levain_training.forecasting.rolling.held import Curve, Held


@dataclass(frozen=True)
class Plan:
    """`model` is a trainer; `against` are names of `peers`. `origins` forecasts of `horizon_days`, `step_days` apart."""

    model: str
    against: Sequence[str]
    horizon_days: int
    origins: int
    step_days: int


@dataclass
class Outcome:
    """`cpu_seconds`: of fitting and forecasting, by model. `failed`: how often a product had no forecast."""

    held: list[Held] = field(default_factory=list)
    cpu_seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    failed: int = 0


def backtest(
    series: Sequence[Series],
    calendars: Sequence[ShopCalendar],
    forecast_start: date,
    plan: Plan,
    at_origin: Callable[[date], None] = lambda origin: None,
) -> Outcome:
    """Raises `UnknownModel`, `TrainerNotLoadable` and `TrainerNotInstalled`. `at_origin` is called as each begins."""
    trainer = plan_of(plan.model).load()
    fits = {name: peers.peer(name) for name in plan.against}
    outcome = Outcome()
    for origin in past.origins(forecast_start, plan.horizon_days, plan.origins, plan.step_days):
        at_origin(origin)
        known = past.known_then(series, origin)
        whole = {one.product_id: one for one in series}
        for task in past.tasks(known, calendars, origin, plan.horizon_days, plan.model):
            started = _cpu_seconds()
            results = list(session.run(trainer, task, lambda product_id: None))
            outcome.cpu_seconds[plan.model] += _cpu_seconds() - started
            cut = {one.product_id: one for one in task.series}
            for result in results:
                if not isinstance(result, TrainedProduct):
                    outcome.failed += 1
                    continue
                held = _held(whole[result.product_id], cut[result.product_id], task.calendars[0], origin, plan.horizon_days)
                held.curves[plan.model] = _curve(result.forecast)
                _ask_peers(held, fits, cut[result.product_id], task.calendars[0], origin, outcome)
                outcome.held.append(held)
    return outcome


def _ask_peers(held: Held, fits: dict[str, peers.Peer], series: Series, calendar: ShopCalendar, origin: date, outcome: Outcome) -> None:
    known = peers.history(series, calendar, origin)
    horizon = len(held.actual)
    for name, fit in fits.items():
        started = _cpu_seconds()
        fitted = fit(known, horizon)
        outcome.cpu_seconds[name] += _cpu_seconds() - started
        forecast = Forecast(start=origin, mean=fitted.mean, lo80=fitted.lo80, hi80=fitted.hi80)
        held.curves[name] = Curve(fitted.mean, None if name == peers.NAIVE else quantiles_of(forecast))


def _held(whole: Series, cut: Series, calendar: ShopCalendar, origin: date, horizon: int) -> Held:
    first = (origin - whole.start).days
    actual = [None if value is None else max(value, 0.0) for value in whole.values[first : first + horizon]]
    actual += [None] * (horizon - len(actual))
    known = peers.history(cut, calendar, origin)
    return Held(whole.product_id, whole.product, whole.shop, origin, actual, seasonal_naive(known, horizon), naive_scale(known))


def _curve(forecast: Forecast) -> Curve:
    return Curve(forecast.mean, quantiles_of(forecast))


def _cpu_seconds() -> float:
    """Of this process and of those that it waited for: Prophet fits in another."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
