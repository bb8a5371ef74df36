"""The date column → days. The notation is read from the whole column, never row by row; where it doesn't show, we ask."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from levain_contracts.reading import ReadingOptions
from levain_training.ingest import clock, dateformat, dateorder
from levain_training.ingest.coded import Coded, Lines, Mask, lookup
from levain_training.ingest.findings import Findings, counted, quoted
from levain_training.ingest.refusals import DataRefused
from levain_training.ingest.table import written

FIRST_YEAR, LAST_YEAR = 1990, 2100
_FIRST_DAY, _LAST_DAY = (np.datetime64(day, "D").astype(int) for day in (f"{FIRST_YEAR}-01-01", f"{LAST_YEAR}-12-31"))
_UNKNOWN = -(2**31)
Days = npt.NDArray[np.int32]


class Dated(NamedTuple):
    """`kept`: the rows whose date can be used, None where that is all; `days` of those, counted from 1970-01-01.

    `times_vary` says that the rows are of different times of a day: the lines of tickets.
    """

    kept: Mask | None
    days: Days
    format: str
    times_vary: bool


def read(date: Coded | pl.Series, lines: Lines, options: ReadingOptions, findings: Findings) -> Dated:
    """Rows whose date can't be used are left out and listed. Raises DataRefused where the notation is not clear."""
    clock.check(options)
    if not isinstance(date, Coded):
        return _typed(date, lines, options, findings)
    values = date.values(lines)
    if values.is_empty():
        return Dated(None, np.empty(0, dtype=np.int32), "", False)
    found = _days(values, options, findings)
    _refuse_mostly_unparsable(found.values, len(lines), findings)
    days = lookup(found.values.with_columns(day=pl.col("day").to_physical()), "day", len(date.texts), _UNKNOWN).to_numpy()
    return _usable(_Written(date, lines), days[date.codes], found.format, found.times_vary, findings)


class _Written(NamedTuple):
    """The column as it stands in the file."""

    date: Coded | pl.Series
    lines: Lines


class _Found(NamedTuple):
    """`values` with `day`, null where it can't be read."""

    values: pl.DataFrame
    format: str
    times_vary: bool


def _days(values: pl.DataFrame, options: ReadingOptions, findings: Findings) -> _Found:
    if options.date_format is not None and clock.has_time(options.date_format):
        moments, pattern = dateformat.parse(values.rename({"text": "head"}), options.date_format)
        vary = moments["moment"].drop_nulls().dt.time().n_unique() > 1
        day = clock.business_day(pl.col("moment"), options)
        return _Found(moments.rename({"head": "text"}).with_columns(day=day), pattern, vary)
    values = clock.split(values)
    heads = values.group_by("head").agg(pl.col("rows").sum(), pl.col("line").min()).sort("line")
    if options.date_format is None:
        found = dateorder.infer(heads, findings)
    else:
        found = dateformat.parse(heads, options.date_format)
        found = found._replace(values=found.values.with_columns(day=pl.col("moment").dt.date()))
    dated = values.join(found.values.select("head", "day"), on="head", how="left", maintain_order="left")
    return _Found(clock.shifted(dated, options, findings), found.format, values["time"].drop_nulls().n_unique() > 1)


def _typed(date: pl.Series, lines: Lines, options: ReadingOptions, findings: Findings) -> Dated:
    """Parquet's dates and timestamps; a timestamp's day is that of its own time zone, or of the one asked for."""
    written, times_vary = _Written(date, lines), False
    if isinstance(date.dtype, pl.Datetime):
        times_vary = date.drop_nulls().dt.time().n_unique() > 1
        date = date.to_frame("at").select(clock.business_day(pl.col("at"), options, date.dtype.time_zone)).to_series()
    return _usable(written, date.to_physical().fill_null(_UNKNOWN).to_numpy(), "", times_vary, findings)


def _usable(column: _Written, days: Days, label: str, times_vary: bool, findings: Findings) -> Dated:
    unknown = days == _UNKNOWN
    outside = ~unknown & ((days < _FIRST_DAY) | (days > _LAST_DAY))
    for code, bad, what in (
        ("unparsable_date", unknown, "left out: the date can't be read"),
        ("date_out_of_range", outside, f"left out: the year is not in {FIRST_YEAR} to {LAST_YEAR}"),
    ):
        rows = np.flatnonzero(bad)
        if len(rows):
            findings.repair(code, column.lines[rows], what, written(column.date, int(rows[0])))
    bad = unknown | outside
    return Dated(~bad, days[~bad], label, times_vary) if bad.any() else Dated(None, days, label, times_vary)


def _refuse_mostly_unparsable(values: pl.DataFrame, total: int, findings: Findings) -> None:
    bad = values.filter(pl.col("day").is_null())
    count = int(bad["rows"].sum())
    if count * 2 <= total:
        return
    first = bad.sort("line").row(0, named=True)
    head = (first["text"] or "").strip()
    hint = "write dates as yyyy-mm-dd, or set date_format to their strptime pattern, such as %d/%m/%Y"
    if head.isdigit() and len(head) == 5:
        hint = "it looks like a spreadsheet's day number: format the column as a date before saving"
    where = f"{findings.at(first['line'])}: {quoted(first['text'] or '')}"
    raise DataRefused("unparsable_dates", f"{counted(count, 'date')} of {total:,} can't be read, the first on {where}; {hint}")
