"""What a fitted model says of the days to come, the simplest model, and the rules that every curve has to keep. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean

from pydantic import JsonValue

from levain_training.forecasting.history import WEEK, History, weekday_means, zero_when_closed

# Smoothing forgets: with two years the first one hardly counts, and the time of a fit grows with each day.
HISTORY_DAYS = 730
# The 90 % quantile of the normal distribution: 80 % lie between it and its mirror.
Z80 = 1.2815515655446004
_DIGITS = 4
_RECENT_DAYS = 56
# A mean of more than three times all that was sold on any day of eight weeks is a model that ran away.
_RUNAWAY = 3.0
MOST_UNITS = 1e12  # the contract's bound


@dataclass(frozen=True)
class Fitted:
    """Units per day, one entry for each day of the horizon; `model` is what the artifact keeps of it."""

    mean: list[float]
    lo80: list[float]
    hi80: list[float]
    model: dict[str, JsonValue]


def weekday_curve(history: History, horizon: int) -> Fitted:
    """The means of the last weeks' weekdays, and an interval from how far their days lie from them. Needs a known day."""
    means = weekday_means(history)
    recent = history.last(_RECENT_DAYS) if history.last(_RECENT_DAYS).known() else history
    first = recent.start.weekday()
    squares = [(v - means[(first + i) % WEEK]) ** 2 for i, v in enumerate(recent.values) if v is not None]
    spread = Z80 * math.sqrt(fmean(squares))
    mean = [means[(history.end.weekday() + i) % WEEK] for i in range(horizon)]
    model: dict[str, JsonValue] = {"method": "weekday_means", "parameters": {"means": list(means), "spread": spread}}
    return Fitted(mean, [m - spread for m in mean], [m + spread for m in mean], model)


def is_sane(fitted: Fitted, history: History) -> bool:
    finite = all(map(math.isfinite, (*fitted.mean, *fitted.lo80, *fitted.hi80)))
    recent = history.last(_RECENT_DAYS).known() or history.known()
    return finite and max(fitted.mean) <= _RUNAWAY * max(recent)


def tidy(fitted: Fitted, is_open: Sequence[bool]) -> Fitted:
    """Nothing on closed days, units from 0 to the contract's bound, the mean inside its interval, no digits that mean nothing."""
    mean, lo80, hi80 = (_units(values, is_open) for values in (fitted.mean, fitted.lo80, fitted.hi80))
    lo80 = [min(lo, m) for lo, m in zip(lo80, mean, strict=True)]
    hi80 = [max(hi, m) for hi, m in zip(hi80, mean, strict=True)]
    return Fitted(mean, lo80, hi80, fitted.model)


def _units(values: Sequence[float], is_open: Sequence[bool]) -> list[float]:
    return [round(min(max(v, 0.0), MOST_UNITS), _DIGITS) for v in zero_when_closed(values, is_open)]


def last_day(history: History) -> date:
    return history.end - timedelta(days=1)
