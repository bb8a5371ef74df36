"""The yardstick: "same as last week". Pure."""

from levain_training.forecasting.history import WEEK, History


def seasonal_naive(history: History, horizon: int) -> list[float]:
    """Each day of the horizon as its weekday was last known; 0 for a weekday that was never known."""
    last: list[float] = [0.0] * WEEK
    for i, value in enumerate(history.values):
        if value is not None:
            last[i % WEEK] = value
    return [last[(len(history.values) + i) % WEEK] for i in range(horizon)]


def naive_scale(history: History) -> float | None:
    """The mean absolute change from one week to the next, over all pairs of known days: the denominator of MASE. None without a pair.

    Hyndman & Koehler (2006), "Another look at measures of forecast accuracy", with season 7.
    """
    pairs = zip(history.values[WEEK:], history.values[:-WEEK], strict=True)
    changes = [abs(now - before) for now, before in pairs if now is not None and before is not None]
    return sum(changes) / len(changes) if changes else None
