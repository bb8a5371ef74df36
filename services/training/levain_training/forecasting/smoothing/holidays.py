"""What holidays, and the days before them, did to a shop's sales: pooled over its products, since one product has too few of them. Pure.

The effect of a day is log(total / median of the same weekday's last four ordinary totals). What is expected of a label is the mean of
its earlier effects, shrunk towards that of all labels, and that towards 0, by empirical Bayes (Efron & Morris 1975): with n effects
the weight is n / (n + noise variance / variance between effects), both variances being the shop's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from levain_contracts.tasks import ShopCalendar
from levain_training.forecasting.smoothing.arrays import WEEK, Array, Flags, median_of_known
from levain_training.forecasting.smoothing.panel import Panel

_WEEKS_BEFORE = 4
# An effect that can't be told from noise has no variance of its own; a thousandth of the noise's keeps the quotient finite.
_LEAST_SHARE = 1e-3


@dataclass(frozen=True)
class Effects:
    """`special` (days, shops): no ordinary day. `log_factor` (days + ahead, shops): what was expected of each day before it came."""

    special: Flags
    log_factor: Array


@dataclass(frozen=True)
class _Marked:
    row: int
    kind: str
    eve: bool


def effects_of(panel: Panel, totals: Array, ahead: int) -> Effects:
    """`totals`: (days, shops), NaN where a shop was closed. `ahead`: days after the last one."""
    days = len(totals) + ahead
    marks = [_marks(calendar, panel.start, days) for calendar in panel.calendars]
    special = np.zeros((days, len(marks)), bool)
    for shop, marked in enumerate(marks):
        special[[mark.row for mark in marked], shop] = True
    effect = _effects(totals, special[: len(totals)])
    log_factor = np.zeros((days, len(marks)))
    for shop, marked in enumerate(marks):
        noise = _variance(effect[~special[: len(totals), shop], shop])
        for eve in (False, True):
            _expect([mark for mark in marked if mark.eve == eve], effect[:, shop], noise, log_factor[:, shop])
    return Effects(special[: len(totals)], log_factor)


def _marks(calendar: ShopCalendar, start: date, days: int) -> list[_Marked]:
    """In order of days. A holiday is not the eve of the next one."""
    labels: dict[date, str] = {}
    for marked in calendar.holidays:
        labels.setdefault(marked.date, marked.label)
    found = [_Marked((day - start).days, label, eve=False) for day, label in labels.items()]
    eves = {day - timedelta(days=1): label for day, label in labels.items()}
    found += [_Marked((day - start).days, label, eve=True) for day, label in eves.items() if day not in labels]
    return sorted((mark for mark in found if 0 <= mark.row < days), key=lambda mark: mark.row)


def _effects(totals: Array, special: Flags) -> Array:
    """(days, shops); NaN where there is no ordinary day of the same weekday in the weeks before."""
    ordinary = np.where(special, np.nan, totals)
    padded = np.concatenate([np.full((WEEK * _WEEKS_BEFORE, totals.shape[1]), np.nan), ordinary])
    before = np.array([padded[WEEK * week : WEEK * week + len(totals)] for week in range(_WEEKS_BEFORE)])
    with np.errstate(divide="ignore", invalid="ignore"):
        effect: Array = np.log(totals / median_of_known(before))
    effect[~np.isfinite(effect)] = np.nan
    return effect


def _variance(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.var()) if len(known) > 1 else 0.0


def _expect(marked: Sequence[_Marked], effect: Array, noise: float, log_factor: Array) -> None:
    """Writes into `log_factor` what the effects before each marked day let expect of it."""
    seen = [(mark, effect[mark.row]) for mark in marked if mark.row < len(effect) and not np.isnan(effect[mark.row])]
    if not seen:
        return
    values = np.array([value for _, value in seen])
    between = max(float((values**2).mean()) - noise, _LEAST_SHARE * noise) or 1.0
    of_label = max(float(values.var()) - noise, _LEAST_SHARE * noise) or 1.0
    for mark in marked:
        earlier = [(other.kind, value) for other, value in seen if other.row < mark.row]
        general = _shrunk([value for _, value in earlier], 0.0, noise / between)
        log_factor[mark.row] = _shrunk([value for kind, value in earlier if kind == mark.kind], general, noise / of_label)


def _shrunk(values: Sequence[float], towards: float, worth: float) -> float:
    """`worth`: how many observations the other estimate counts as."""
    return (sum(values) + worth * towards) / (len(values) + worth) if values or worth else towards
