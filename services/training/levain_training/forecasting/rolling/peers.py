"""What a trainer is compared with: the yardstick, and libraries as they are without us."""

from collections.abc import Callable
from datetime import date

from levain_contracts.tasks import Series, ShopCalendar
from levain_training.forecasting import curves
from levain_training.forecasting.curves import Fitted
from levain_training.forecasting.history import History, history_of
from levain_training.forecasting.naive import seasonal_naive
from levain_training.forecasting.registry import plan_of

Peer = Callable[[History, int], Fitted]
NAIVE = "naive"
NAMES = ("naive", "ets", "prophet")


def peer(name: str) -> Peer:
    """Raises `TrainerNotInstalled` and, for a name that is none of `NAMES`, `KeyError`."""
    if name == NAIVE:
        return _naive
    return {"ets": _ets, "prophet": _prophet}[name]()


def history(series: Series, calendar: ShopCalendar, origin: date) -> History:
    return history_of(series, calendar.closed, origin)


def _naive(known: History, horizon: int) -> Fitted:
    week = seasonal_naive(known, horizon)
    return Fitted(week, week, week, {})


def _ets() -> Peer:
    plan_of("ets")
    from levain_training.forecasting.autoets import AutoEts

    return _with_fallback(AutoEts().fit)


def _prophet() -> Peer:
    plan_of("prophet")
    from levain_training.forecasting.prophet_curve import ProphetCurve

    return _with_fallback(ProphetCurve().fit)


def _with_fallback(fit: Callable[[History, int], Fitted | None]) -> Peer:
    """What its library says, no units below 0; the means of the weekdays where it says nothing."""

    def fitted(known: History, horizon: int) -> Fitted:
        found = fit(known, horizon) or curves.weekday_curve(known, horizon)
        return curves.tidy(found, [True] * horizon)

    return fitted
