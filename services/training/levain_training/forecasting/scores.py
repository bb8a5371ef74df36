"""How good a forecast was on days that it had not seen. Pure. What has no value is None and says why: never NaN, inf or a huge number."""

from collections.abc import Sequence
from dataclasses import dataclass

from levain_contracts.tasks import Scores

NO_TEST_DAYS = "no_test_days"
NO_SALES_IN_TEST = "no_sales_in_test"
NAIVE_ERROR_ZERO = "naive_error_zero"
TOO_LITTLE_HISTORY = "too_little_history"
OUT_OF_RANGE = "out_of_range"

_NAMES = ("wape", "mase", "bias", "coverage80", "naive_wape", "naive_mase")
_LARGEST = 1e6
# Below it a sum of units is rounding noise.
_NOTHING = 1e-9
_DIGITS = 6


@dataclass(frozen=True)
class Held:
    """Days that were held out, one entry a day in each list; `actual` is None where the shop was closed: such a day is no test."""

    actual: Sequence[float | None]
    mean: Sequence[float]
    lo80: Sequence[float]
    hi80: Sequence[float]
    naive: Sequence[float]


def no_scores(reason: str) -> Scores:
    return Scores(undefined=dict.fromkeys(_NAMES, reason))


def score(held: Held, scale: float | None) -> Scores:
    """`scale` is `naive_scale` of the days before. WAPE and bias are shares of the units sold, MASE is in units of `scale`."""
    days = [i for i, actual in enumerate(held.actual) if actual is not None]
    actual = [held.actual[i] or 0.0 for i in days]
    errors = [held.mean[i] - y for i, y in zip(days, actual, strict=True)]
    naive_errors = [held.naive[i] - y for i, y in zip(days, actual, strict=True)]
    inside = [held.lo80[i] <= y <= held.hi80[i] for i, y in zip(days, actual, strict=True)]
    coverage = sum(inside) / len(days) if days else None
    return scores_of(Totals(len(days), sum(actual), sum(errors), _total(errors), _total(naive_errors), coverage, scale))


@dataclass(frozen=True)
class Totals:
    """Over the tested days of one product, in units. `coverage` and `scale` are None where there are none."""

    days: int
    sold: float
    error: float
    missed: float
    naive_missed: float
    coverage: float | None
    scale: float | None


def scores_of(totals: Totals) -> Scores:
    if not totals.days:
        return no_scores(NO_TEST_DAYS)
    sold = _Divisor(totals.sold, NO_SALES_IN_TEST)
    scale = totals.scale
    scaled = _Divisor(scale * totals.days, NAIVE_ERROR_ZERO) if scale is not None else _Divisor(0.0, TOO_LITTLE_HISTORY)
    found = {
        "wape": sold.divide(totals.missed),
        "mase": scaled.divide(totals.missed),
        "bias": sold.divide(totals.error),
        "coverage80": totals.coverage if totals.coverage is not None else TOO_LITTLE_HISTORY,
        "naive_wape": sold.divide(totals.naive_missed),
        "naive_mase": scaled.divide(totals.naive_missed),
    }
    values = {name: round(value, _DIGITS) for name, value in found.items() if isinstance(value, float)}
    undefined = {name: value for name, value in found.items() if isinstance(value, str)}
    return Scores(**values, test_days=totals.days, undefined=undefined)


@dataclass(frozen=True)
class _Divisor:
    value: float
    reason_when_zero: str

    def divide(self, total: float) -> float | str:
        """The quotient, or why there is none."""
        if self.value < _NOTHING:
            return self.reason_when_zero
        quotient = total / self.value
        return quotient if abs(quotient) <= _LARGEST else OUT_OF_RANGE


def _total(errors: Sequence[float]) -> float:
    return sum(map(abs, errors))
