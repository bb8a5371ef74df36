"""The date column → days. The notation is read from the whole column, never row by row; where it doesn't show, we ask."""

from typing import NamedTuple

import polars as pl

from levain_training.ingest import dateformat, dateorder
from levain_training.ingest.findings import Findings, counted, quoted
from levain_training.ingest.refusals import DataRefused

FIRST_YEAR, LAST_YEAR = 1990, 2100
# A time is only cut off behind white space or T: `07:31`, `7h31`, `T073100`, with all that follows it.
_TIME = r",?(?:[T\s]\s*[0-9]{1,2}[:hH][0-9]{2}.*|T[0-9]{4,6}.*)$"
_OFFSET = r"(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})$"


class Dated(NamedTuple):
    """`rows` with a column `day`; `times_vary` says that the rows are of different times of a day: the lines of tickets."""

    rows: pl.DataFrame
    format: str
    times_vary: bool


def read(rows: pl.DataFrame, date_format: str | None, findings: Findings) -> Dated:
    """Rows whose date can't be used are left out and listed. Raises DataRefused where the notation is not clear."""
    kind = rows.schema["date"]
    if kind == pl.Date or isinstance(kind, pl.Datetime):
        return _in_range(_typed(rows), findings)
    rows, times_vary = _without_times(rows, findings) if not _has_time(date_format) else (rows.with_columns(head="date"), False)
    values = rows.group_by("head").agg(pl.len().alias("rows"), pl.col("line").min()).sort("line")
    found = dateorder.infer(values, findings) if date_format is None else dateformat.parse(values, date_format)
    _refuse_mostly_unparsable(found.values, rows.height, findings)
    dated = rows.join(found.values.select("head", "day"), on="head", how="left", maintain_order="left")
    unparsable = pl.col("day").is_null()
    findings.repair("unparsable_date", dated.filter(unparsable), "left out: the date can't be read", "date")
    return _in_range(Dated(dated.filter(~unparsable), found.format, times_vary), findings)


def _has_time(date_format: str | None) -> bool:
    return date_format is not None and any(f"%{letter}" in date_format for letter in "HIMScXT")


def _typed(rows: pl.DataFrame) -> Dated:
    """Parquet's dates and timestamps; a timestamp's day is that of its own time zone."""
    day = pl.col("date").dt.date() if isinstance(rows.schema["date"], pl.Datetime) else pl.col("date")
    times = rows["date"].drop_nulls().dt.time().n_unique() if isinstance(rows.schema["date"], pl.Datetime) else 1
    return Dated(rows.with_columns(day=day), "", times > 1)


def _without_times(rows: pl.DataFrame, findings: Findings) -> tuple[pl.DataFrame, bool]:
    text = pl.col("date")
    times = rows.filter(text.str.contains(_TIME)).select(text.str.extract(f"({_TIME})").alias("time"))["time"]
    if times.is_empty():
        return rows.with_columns(head=text), False
    offset = " and so of its own time zone" if times.head(1).str.contains(_OFFSET)[0] else ""
    findings.note(f"the date column holds times: the date as written{offset} is used")
    return rows.with_columns(head=text.str.replace(_TIME, "")), times.n_unique() > 1


def _refuse_mostly_unparsable(values: pl.DataFrame, total: int, findings: Findings) -> None:
    bad = values.filter(pl.col("day").is_null())
    count = int(bad["rows"].sum())
    if count * 2 <= total:
        return
    first = bad.row(0, named=True)
    hint = "write dates as yyyy-mm-dd, or set date_format to their strptime pattern, such as %d/%m/%Y"
    if str(first["head"]).isdigit() and len(str(first["head"])) == 5:
        hint = "it looks like a spreadsheet's day number: format the column as a date before saving"
    where = findings.at(first["line"])
    raise DataRefused(
        "unparsable_dates", f"{counted(count, 'date')} of {total:,} can't be read, the first on {where}: {quoted(first['head'])}; {hint}"
    )


def _in_range(dated: Dated, findings: Findings) -> Dated:
    inside = pl.col("day").dt.year().is_between(FIRST_YEAR, LAST_YEAR).fill_null(value=False)
    missing = dated.rows.filter(pl.col("day").is_null()).with_columns(pl.col("date").cast(pl.String))
    findings.repair("unparsable_date", missing, "left out: the date is missing", "date")
    rows = dated.rows.filter(pl.col("day").is_not_null())
    outside = rows.filter(~inside).with_columns(pl.col("date").cast(pl.String))
    findings.repair("date_out_of_range", outside, f"left out: the year is not in {FIRST_YEAR} to {LAST_YEAR}", "date")
    return dated._replace(rows=rows.filter(inside))
