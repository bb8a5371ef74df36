"""Dates that stand far away from all the others: a slip of the pen would stretch or age every series."""

import polars as pl

from levain_contracts.tasks import MAX_HISTORY_DAYS
from levain_training.ingest.findings import Findings
from levain_training.ingest.refusals import DataRefused
from levain_training.ingest.series import DORMANT_DAYS

_FAR_DAYS = 366
_FEW_SHARE = 0.01
_LATE_DAYS = 2


def check(rows: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Leaves out the few rows whose date is far from all others. Raises DataRefused `span_too_long`."""
    if rows.is_empty():
        return rows
    _refuse_span(rows, findings)
    sold = rows.filter(pl.col("units") > 0)
    days = sold.group_by("day").agg(pl.len().alias("rows")).sort("day")
    far = days.filter(_is_far(days, sold.height)).select("day")
    what = "left out: far from all other dates"
    findings.repair("outlier_date", rows.join(far, on="day", how="semi").with_columns(pl.col("date").cast(pl.String)), what, "date")
    return rows.join(far, on="day", how="anti", maintain_order="left")


def _is_far(days: pl.DataFrame, total: int) -> pl.Series:
    """A run of few rows that over a year separates from the others; at the end, a day or two behind a pause that ages all products."""
    gap = days["day"].diff().dt.total_days().fill_null(0)
    return _few(days, gap > _FAR_DAYS, total) | _late(days, gap > DORMANT_DAYS, total)


def _few(days: pl.DataFrame, begins: pl.Series, total: int) -> pl.Series:
    runs = days.select("rows", run=begins.cum_sum())
    few = runs.select(few=pl.col("rows").sum().over("run") <= _FEW_SHARE * total)["few"]
    return few & (not few.all())


def _late(days: pl.DataFrame, begins: pl.Series, total: int) -> pl.Series:
    runs = days.select("rows", run=begins.cum_sum())
    last = (pl.col("run") == pl.col("run").max()) & (pl.col("run") > 0)
    size, length = pl.col("rows").sum().over("run"), pl.len().over("run")
    return runs.select(late=last & (size <= _FEW_SHARE * total) & (length <= _LATE_DAYS))["late"]


def _refuse_span(rows: pl.DataFrame, findings: Findings) -> None:
    first, last = rows.select(pl.col("day").min().alias("first"), pl.col("day").max().alias("last")).row(0)
    span = (last - first).days + 1
    if span > MAX_HISTORY_DAYS:
        at, also_at = (rows.filter(pl.col("day") == day)["line"].min() for day in (first, last))
        where = f"from {first} on {findings.at(at)} to {last} on {findings.at(also_at)}"
        raise DataRefused(
            "span_too_long", f"the dates go over {span:,} days, {where}: correct these, at most {MAX_HISTORY_DAYS:,} days can be read"
        )
