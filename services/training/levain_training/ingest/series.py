"""A product's days → the series that a trainer gets, or the reason why there is nothing to train."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np

from levain_contracts.ids import product_id
from levain_contracts.tasks import Series
from levain_training.ingest.daily import ProductDays, ShopDays
from levain_training.ingest.rows import Days, Positions, Units

MIN_HISTORY_DAYS = 28
MIN_OPEN_DAYS = 14
DORMANT_DAYS = 60
_EPOCH = date(1970, 1, 1)


class SkippedSeries(NamedTuple):
    product_id: str
    product: str
    shop: str | None
    reason: str


@dataclass(frozen=True)
class DailySeries:
    """As a `Series`; `values` one number a day from `start` on, NaN where nothing is known."""

    product_id: str
    product: str
    shop: str | None
    start: date
    values: Units

    def series(self) -> Series:
        """The same, checked."""
        values = [None if np.isnan(value) else value for value in self.values.tolist()]
        return Series(product_id=self.product_id, product=self.product, shop=self.shop, start=self.start, values=values)


def day_of(number: int) -> date:
    return _EPOCH + timedelta(days=number)


def number_of(day: date) -> int:
    return (day - _EPOCH).days


class Shelf:
    """What the series of one shop have in common. `last` is the last day of all series."""

    def __init__(self, shop: ShopDays, last: int) -> None:
        self._shop = shop
        self._last = last

    @cached_property
    def _since(self) -> int:
        return int(self._shop.opened[0])

    @cached_property
    def _nothing(self) -> Units:
        """What a product without a row sold: 0 on open days, unknown on others."""
        days = np.full(self._last - self._since + 1, np.nan)
        days[self._shop.opened - self._since] = 0.0
        return days

    @cached_property
    def _open_from(self) -> Days:
        """For each day how many open days there are from it on."""
        return np.asarray(np.cumsum(~np.isnan(self._nothing)[::-1])[::-1])

    def build(self, sold: ProductDays) -> DailySeries | SkippedSeries:
        """From the first sale on; None where the shop was not open or the quantity is unknown."""
        name = product_id(sold.shop, sold.product)
        sales = np.flatnonzero(sold.units > 0)
        reason = self._reason(sold, sales)
        if reason is not None:
            return SkippedSeries(name, sold.product, sold.shop, reason)
        first = int(sold.days[sales[0]])
        values = self._nothing[first - self._since :].copy()
        end = int(np.searchsorted(sold.days, self._last, side="right"))
        values[sold.days[sales[0] : end] - first] += sold.units[sales[0] : end]  # unknown stays unknown
        return DailySeries(name, sold.product, sold.shop, day_of(first), values)

    def _reason(self, sold: ProductDays, sales: Positions) -> str | None:
        if sold.net < 0:
            return "returns_exceed_sales"
        if not sales.size:
            return "no_sales"
        if self._last - sold.days[sales[-1]] > DORMANT_DAYS:
            return "dormant"
        first = int(sold.days[sales[0]])
        few = self._last - first + 1 < MIN_HISTORY_DAYS or self._open_from[first - self._since] < MIN_OPEN_DAYS
        return "too_little_history" if few else None
