"""The trainers `blend` and `auto`. Importing this imports numpy; LightGBM comes with the first trees."""

import logging
import time
from collections.abc import Iterator
from functools import cache

import numpy as np

from levain_contracts.tasks import FailedProduct, TrainedProduct, TrainingTask
from levain_training.forecasting.blend.learnt import Grown, grow_from, training_rows
from levain_training.forecasting.port import WorkingOn
from levain_training.forecasting.smoothing import trainer as smoothing
from levain_training.forecasting.smoothing.arrays import Array, Flags, by_group
from levain_training.forecasting.smoothing.backtest import Tested
from levain_training.forecasting.smoothing.learnt import Learnt, learn
from levain_training.forecasting.smoothing.panel import panel_of
from levain_training.forecasting.smoothing.predicted import predict
from levain_training.forecasting.smoothing.results import results, runs_away

log = logging.getLogger(__name__)

METHOD = "mean of ETS(A,N,A) and LightGBM"
# Where most days sell nothing the trees' median is 0: the least absolute error, and a baker with nothing to sell.
_MOST_ZERO_DAYS = 0.6
_RECENT_DAYS = 182
# `auto` tries the trees from here on: below, importing and growing them costs more than all else, and 150 trees of 31 leaves
# have fewer than two rows a leaf and tree.
_LEAST_ROWS_TO_TRY = 9_300


class Blend:
    """`choose`: each shop takes the blend only if it missed fewer units than the smoothing on the last four weeks."""

    def __init__(self, name: str, *, choose: bool) -> None:
        self._name = name
        self._choose = choose

    def train(self, task: TrainingTask, working_on: WorkingOn) -> Iterator[TrainedProduct | FailedProduct]:
        started = time.perf_counter()
        learnt = learn(panel_of(task))
        grown = self._grow(learnt, task)
        mean, tested = learnt.mean(), learnt.smoothed.tested
        methods = [smoothing.METHOD] * len(task.series)
        if grown is not None:
            use = self._used(learnt, grown, mean)
            methods = [METHOD if blended else smoothing.METHOD for blended in use.tolist()]
            mean = np.where(use, (mean + grown.mean) / 2, mean)
            if use.any():
                tested = _blended(_last(tested, grown.tested), grown.tested, use)
        yield from results(self._name, task, learnt, predict(learnt, mean, tested), methods, started)

    def _grow(self, learnt: Learnt, task: TrainingTask) -> Grown | None:
        if task.alone or (self._choose and (training_rows(learnt) < _LEAST_ROWS_TO_TRY or why_no_trees() is not None)):
            return None
        return grow_from(learnt)

    def _used(self, learnt: Learnt, grown: Grown, mean: Array) -> Flags:
        """(products,)"""
        panel = learnt.panel
        recent = panel.sales[-_RECENT_DAYS:]
        known = (~np.isnan(recent)).sum(axis=0)
        rare = (recent == 0).sum(axis=0) > _MOST_ZERO_DAYS * known
        use = ~rare & ~np.isnan(grown.mean).any(axis=0) & ~runs_away(panel.sales, grown.mean) & ~runs_away(panel.sales, mean)
        if self._choose:
            use &= self._better(learnt, grown, use)[panel.shop]
        return np.asarray(use)

    def _better(self, learnt: Learnt, grown: Grown, use: Flags) -> Flags:
        """(shops,)"""
        smoothed = _last(learnt.smoothed.tested, grown.tested)
        missed = [_missed(tested, learnt) for tested in (_blended(smoothed, grown.tested, use), smoothed)]
        found: Flags = missed[0] < missed[1]
        return found


@cache
def why_no_trees() -> str | None:
    """None where LightGBM can be loaded, which this does. `auto` does without it, and says so in the log."""
    try:
        from levain_training.forecasting.blend import trees  # noqa: F401
    except (ImportError, OSError) as error:  # its wheel brings no OpenMP
        log.warning("no trees, the smoothing alone", extra={"error": str(error)})
        return f"LightGBM can't be loaded: {error} (Debian's libgomp1 brings OpenMP)"
    return None


def _last(tested: Tested, like: Tested) -> Tested:
    count = len(tested.rows) - len(like.rows)
    return Tested(tested.rows[count:], tested.mean[count:], tested.actual[count:])


def _blended(smoothed: Tested, grown: Tested, use: Flags) -> Tested:
    mixed = np.where(use & ~np.isnan(grown.mean), (smoothed.mean + grown.mean) / 2, smoothed.mean)
    return Tested(smoothed.rows, mixed, smoothed.actual)


def _missed(tested: Tested, learnt: Learnt) -> Array:
    units = np.nan_to_num(np.abs(tested.mean - tested.actual)).sum(axis=(0, 1))
    return by_group(units, learnt.panel.shop, len(learnt.panel.calendars))
