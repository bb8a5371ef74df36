"""Whether a shop's days are cleaned of holidays and of last year's level: as its own backtest says. Pure.

Every way is run over the same origins, with few settings; the shop keeps the one with the least error, and none where all are alike.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from levain_training.forecasting.smoothing.arrays import Array, Flags, by_group
from levain_training.forecasting.smoothing.backtest import TEST_DAYS, Days, smooth
from levain_training.forecasting.smoothing.grid import few_settings
from levain_training.forecasting.smoothing.holidays import Effects, effects_of
from levain_training.forecasting.smoothing.panel import Panel
from levain_training.forecasting.smoothing.yearly import YEAR_DAYS, log_levels

# Full: this year is like the last. Half: the middle between that and a year without a season.
_SHARES = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Way:
    holidays: bool
    last_year: float


@dataclass(frozen=True)
class Cleaned:
    """`ways`: one of each shop. `effects` and `levels` (days + ahead, shops) are there whether or not a shop uses them."""

    days: Days
    ways: list[Way]
    effects: Effects
    levels: Array


def clean(panel: Panel, teaching: Array, is_open: Flags) -> Cleaned:
    """`teaching`: the panel's sales without outliers. `is_open`: (origins, 14, products)."""
    shops = len(panel.calendars)
    totals = _shop_totals(panel)
    ahead = max(panel.horizon, TEST_DAYS)
    effects = effects_of(panel, totals, ahead)
    levels = log_levels(np.where(effects.special, np.nan, totals), ahead)
    ways = [Way(*way) for way in product((False, True) if effects.special.any() else (False,), _shares(panel))]
    tried = [_days(panel, teaching, effects, levels, [way] * shops) for way in ways]
    if len(ways) == 1 or not len(is_open):
        return Cleaned(tried[0], [ways[0]] * shops, effects, levels)
    best = np.argmin(_errors(panel, tried, is_open), axis=0)
    chosen = [ways[i] for i in best.tolist()]
    return Cleaned(_days(panel, teaching, effects, levels, chosen), chosen, effects, levels)


def _shop_totals(panel: Panel) -> Array:
    """(days, shops); NaN where nothing was sold, as on closed days."""
    totals = by_group(np.nan_to_num(panel.sales), panel.shop, len(panel.calendars))
    return np.where(totals > 0, totals, np.nan)


def _shares(panel: Panel) -> tuple[float, ...]:
    """Last year must be known for some of the backtest."""
    return _SHARES if panel.days > YEAR_DAYS + TEST_DAYS else _SHARES[:1]


def _days(panel: Panel, teaching: Array, effects: Effects, levels: Array, ways: list[Way]) -> Days:
    cleans = np.array([way.holidays for way in ways])
    log_factor = np.where(cleans, effects.log_factor, 0.0) + np.array([way.last_year for way in ways]) * levels
    factor = np.exp(log_factor)[:, panel.shop]
    ignored = (effects.special & cleans)[:, panel.shop]
    return Days(panel.sales, np.where(ignored, np.nan, teaching / factor[: panel.days]), factor)


def _errors(panel: Panel, tried: list[Days], is_open: Flags) -> Array:
    """(ways, shops): units missed. All ways side by side, as if they were more products: one pass costs little more than one way."""
    ways = len(tried)
    side = Days(*(np.concatenate(parts, axis=1) for parts in zip(*(_arrays(days) for days in tried), strict=True)))
    tested = smooth(side, few_settings(), np.tile(is_open, (1, 1, ways))).tested
    missed = np.nan_to_num(np.abs(tested.mean - tested.actual)).sum(axis=(0, 1))
    return by_group(missed.reshape(ways, -1), panel.shop, len(panel.calendars))


def _arrays(days: Days) -> tuple[Array, Array, Array]:
    return days.sales, days.clean, days.factor
