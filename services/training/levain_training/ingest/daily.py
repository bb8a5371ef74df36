"""Rows of sales → what one shop and product sold on each day, and the days on which each shop was open. Pure."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from levain_training.ingest.findings import Findings
from levain_training.ingest.refusals import DataRefused

MAX_SERIES = 100_000
_MAX_UNITS_PER_DAY = 1e12
_DECIMALS = 9
Days = npt.NDArray[np.int32]  # days since 1970-01-01, ascending


@dataclass(frozen=True)
class ShopDays:
    """`opened`: something was sold. `unknown`: there are rows, but the quantity of some can't be read."""

    shop: str | None
    opened: Days
    unknown: Days

    def closed(self) -> Days:
        if not self.opened.size:
            return self.opened
        between = np.arange(self.opened[0], self.opened[-1] + 1, dtype=np.int32)
        return np.setdiff1d(between, np.union1d(self.opened, self.unknown))


@dataclass(frozen=True)
class ProductDays:
    """`units` beside each of `days`; NaN where they are unknown."""

    shop: str | None
    product: str
    days: Days
    units: npt.NDArray[np.float64]


def add_up(rows: pl.DataFrame, findings: Findings) -> list[ProductDays]:
    """By shop and product, in the order of their names. A day that returns make negative counts as 0 and is listed."""
    known = pl.col("units").count() > 0
    # Rounded, because the order of adding is not fixed and its last bits differ.
    days = rows.group_by("series", "day").agg(units=pl.when(known).then(pl.col("units").sum().round(_DECIMALS)))
    _report_negative(rows, days.filter(pl.col("units") < 0), findings)
    days = days.sort("series", "day").with_columns(pl.col("units").clip(0, _MAX_UNITS_PER_DAY).fill_null(float("nan")))
    names = rows.select("series", "shop", "product").unique("series")
    if names.height > MAX_SERIES:
        raise DataRefused(
            "too_many_products", f"{names.height:,} products: at most {MAX_SERIES:,} can be read from one file, split it by shop"
        )
    return _by_product(days, names)


def _report_negative(rows: pl.DataFrame, negative: pl.DataFrame, findings: Findings) -> None:
    """Each such day by the line of its largest return."""
    returns = rows.join(negative, on=("series", "day"), how="semi").sort("units", "line", nulls_last=True)
    lines = returns.unique(("series", "day"), keep="first", maintain_order=True)
    findings.repair("negative_day", lines, "with more returned than sold on its day: the day counts as 0")


def _by_product(days: pl.DataFrame, names: pl.DataFrame) -> list[ProductDays]:
    """`days` in the order of series and day."""
    ranges = days.with_row_index("start").group_by("series").agg(pl.col("start").min(), pl.len()).join(names, on="series").sort("series")
    day, units = days["day"].to_physical().to_numpy(), days["units"].to_numpy()
    return [
        ProductDays(shop, product, day[start : start + size], units[start : start + size])
        for shop, product, start, size in ranges.select("shop", "product", "start", "len").iter_rows()
    ]


def shop_days(rows: pl.DataFrame) -> dict[str | None, ShopDays]:
    """In the order of the shops' names."""
    opened = _days_by_shop(rows.filter(pl.col("units") > 0))
    unknown = _days_by_shop(rows.filter(pl.col("units").is_null()))
    none = np.array([], dtype=np.int32)
    shops = rows["shop"].unique().sort(nulls_last=False).to_list()
    return {shop: ShopDays(shop, opened.get(shop, none), unknown.get(shop, none)) for shop in shops}


def _days_by_shop(rows: pl.DataFrame) -> dict[str | None, Days]:
    days = rows.select("shop", pl.col("day").to_physical()).unique().group_by("shop").agg(pl.col("day").sort())
    return {shop: np.array(numbers, dtype=np.int32) for shop, numbers in days.iter_rows()}
