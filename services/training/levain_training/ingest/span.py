"""Dates that stand far away from all the others: a slip of the pen would stretch or age every series."""

import numpy as np
import polars as pl

from levain_contracts.tasks import MAX_HISTORY_DAYS
from levain_training.ingest.findings import Findings
from levain_training.ingest.refusals import DataRefused
from levain_training.ingest.rows import Rows
from levain_training.ingest.series import DORMANT_DAYS, day_of

_FAR_DAYS = 366
_FEW_SHARE = 0.01
_LATE_DAYS = 2


def check(rows: Rows, findings: Findings) -> Rows:
    """Leaves out the few rows whose date is far from all others. Raises DataRefused `span_too_long`."""
    if not len(rows.days):
        return rows
    first = _refuse_span(rows, findings)
    sold = np.bincount(rows.days[rows.units > 0] - first)
    present = np.flatnonzero(sold)
    days = pl.DataFrame({"day": pl.Series(present + first, dtype=pl.Int32).cast(pl.Date), "rows": sold[present]})
    far = days.filter(_is_far(days, int(sold.sum())))["day"].to_physical().to_numpy()
    if not len(far):
        return rows
    bad = np.isin(rows.days, far)
    example = str(day_of(int(rows.days[np.argmax(bad)])))
    findings.repair("outlier_date", rows.lines[bad], "left out: far from all other dates", example)
    return rows.take(~bad)


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


def _refuse_span(rows: Rows, findings: Findings) -> int:
    """The first day."""
    first, last = int(rows.days.min()), int(rows.days.max())
    days = last - first + 1
    if days > MAX_HISTORY_DAYS:
        at, also_at = (rows.lines[np.argmax(rows.days == day)] for day in (first, last))
        where = f"from {day_of(first)} on {findings.at(at)} to {day_of(last)} on {findings.at(also_at)}"
        raise DataRefused(
            "span_too_long", f"the dates go over {days:,} days, {where}: correct these, at most {MAX_HISTORY_DAYS:,} days can be read"
        )
    return first
