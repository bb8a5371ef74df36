"""Trees from the batch's past, and what they say of days that they have not seen. Pure but for the library in `trees`."""

from dataclasses import dataclass

import numpy as np

from levain_training.forecasting.blend.features import Background, background, rows_of
from levain_training.forecasting.smoothing.arrays import WEEK, Array
from levain_training.forecasting.smoothing.backtest import TEST_DAYS, Tested
from levain_training.forecasting.smoothing.learnt import Learnt
from levain_training.forecasting.smoothing.recursion import START_DAYS

# The trees never see the last four weeks but as features: three origins test them, and one fit is enough for test and forecast.
HELD_ORIGINS = 3
_HELD_DAYS = TEST_DAYS + WEEK * (HELD_ORIGINS - 1)
# A year of origins: each season once. They are two weeks apart, so that each day is one row.
_TRAINED_ORIGINS = 26
# Two leaves' worth: with fewer rows no tree can split.
_LEAST_ROWS = 100


@dataclass(frozen=True)
class Grown:
    """`mean` (horizon, products); `tested`: the last three origins. NaN for a product that the trees can't forecast."""

    mean: Array
    tested: Tested


def training_rows(learnt: Learnt) -> int:
    """How many there are at most: days times products."""
    return len(_origins(learnt.panel.days)) * TEST_DAYS * len(learnt.panel.shop)


def grow_from(learnt: Learnt) -> Grown | None:
    """None when there is too little to learn from."""
    from levain_training.forecasting.blend.trees import grow

    panel, teaching = learnt.panel, learnt.teaching
    known = background(panel, teaching, learnt.cleaned.effects, learnt.cleaned.levels)
    parts = [_training(known, teaching, origin) for origin in _origins(panel.days)]
    features, target, start, weight = (np.concatenate(part) for part in zip(*parts, strict=True)) if parts else (np.empty((0, 1)),) * 4
    if len(target) < _LEAST_ROWS:
        return None
    trees = grow(features, target, start, weight)

    def forecast(origin: int, days: int) -> Array:
        rows = rows_of(known, teaching, origin, days)
        flat = rows.values.reshape(-1, rows.values.shape[-1])
        share = trees.predict(flat, rows.usual.reshape(-1)).reshape(rows.usual.shape)
        return np.maximum(share, 0.0) * rows.level

    whole = learnt.smoothed.tested
    held = [i for i, row in enumerate(whole.rows) if row >= panel.days - _HELD_DAYS]
    mean = np.array([forecast(whole.rows[i], TEST_DAYS) * learnt.open_then[i] for i in held]).reshape(-1, TEST_DAYS, panel.sales.shape[1])
    actual = whole.actual[held]
    tested = Tested([whole.rows[i] for i in held], np.where(np.isnan(actual), np.nan, mean), actual)
    return Grown(forecast(panel.days, panel.horizon) * learnt.is_open, tested)


def _origins(days: int) -> list[int]:
    last = days - _HELD_DAYS - TEST_DAYS
    return [row for row in range(last - TEST_DAYS * (_TRAINED_ORIGINS - 1), last + 1, TEST_DAYS) if row >= START_DAYS]


def _training(known: Background, sales: Array, origin: int) -> tuple[Array, Array, Array, Array]:
    rows = rows_of(known, sales, origin, TEST_DAYS)
    target = sales[origin : origin + TEST_DAYS] / rows.level
    use = ~np.isnan(target)
    level = np.broadcast_to(rows.level, target.shape)
    return rows.values[use], target[use], rows.usual[use], level[use]
