"""A panel -> what smoothing learnt of it. Another trainer may start from it and bring other means. Pure."""

from dataclasses import dataclass

import numpy as np

from levain_training.forecasting.outliers import winsorise
from levain_training.forecasting.smoothing.arrays import Array, Flags
from levain_training.forecasting.smoothing.backtest import TEST_DAYS, Smoothed, origins, project, smooth
from levain_training.forecasting.smoothing.gates import Cleaned, clean
from levain_training.forecasting.smoothing.grid import settings
from levain_training.forecasting.smoothing.panel import Panel


@dataclass(frozen=True)
class Learnt:
    """`teaching` (days, products): sales without `outliers`. `open_then` (origins, 14, products) and `is_open` (horizon, products):
    what was and what is expected."""

    panel: Panel
    teaching: Array
    outliers: Flags
    cleaned: Cleaned
    smoothed: Smoothed
    open_then: Flags
    is_open: Flags

    def mean(self) -> Array:
        """(horizon, products)"""
        first = self.panel.days
        return project(self.smoothed.state, first, self.cleaned.days.factor[first : first + self.panel.horizon] * self.is_open)

    def alpha(self) -> Array:
        """(products,): the weighted mean, as is `gamma`."""
        return _weighted(settings()[0], self.smoothed.weights)

    def gamma(self) -> Array:
        return _weighted(settings()[1], self.smoothed.weights)


def learn(panel: Panel) -> Learnt:
    teaching, outliers = _without_outliers(panel)
    open_then = [panel.open_days(row, TEST_DAYS) for row in origins(panel.days)]
    expected = np.array(open_then, bool).reshape(-1, TEST_DAYS, panel.sales.shape[1])
    cleaned = clean(panel, teaching, expected)
    smoothed = smooth(cleaned.days, settings(), expected)
    return Learnt(panel, teaching, outliers, cleaned, smoothed, expected, panel.open_days(panel.days, panel.horizon))


def _without_outliers(panel: Panel) -> tuple[Array, Flags]:
    """By shop, since a day that is odd for many of its products is no outlier."""
    teaching, outliers = panel.sales.copy(), np.zeros(panel.sales.shape, bool)
    for shop in range(len(panel.calendars)):
        mine = panel.shop == shop
        found = winsorise(panel.sales[:, mine].T)
        teaching[:, mine], outliers[:, mine] = found.values.T, found.is_outlier.T
    return teaching, outliers


def _weighted(setting: Array, weights: Array) -> Array:
    found: Array = (setting * weights).sum(axis=0)
    return found
