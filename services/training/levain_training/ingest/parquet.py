"""A Parquet file → the same table as a text file's; its types are plain numbers, dates or text from here on."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from levain_contracts.model import clip
from levain_contracts.reading import Layout, ReadingOptions
from levain_training.ingest import columns
from levain_training.ingest.coded import Coded, coded
from levain_training.ingest.findings import Findings, quoted
from levain_training.ingest.refusals import DataRefused
from levain_training.ingest.table import Table

_TEXT = (pl.String, pl.Categorical, pl.Enum)


def read(path: Path, options: ReadingOptions, findings: Findings) -> Table:
    """Lines are row numbers from 1. Raises DataRefused for a damaged file and for columns of no usable type."""
    findings.unit = "row"
    if options.layout is not Layout.LONG:
        raise DataRefused(
            "wide_parquet", f"layout {options.layout} is for text files: save the Parquet file as CSV, or with a row per day and product"
        )
    try:
        return _read(path, options, findings)
    # Damaged files come out as any of polars' errors, or as a panic of its Rust side.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, OverflowError) as error:
        reason = clip(str(error).splitlines()[0] if str(error) else type(error).__name__, 160)
        raise DataRefused("damaged_parquet", f"the Parquet file can't be read ({reason}): write it again, or save it as CSV") from error


def _read(path: Path, options: ReadingOptions, findings: Findings) -> Table:
    schema = pl.read_parquet_schema(path)
    header = list(schema)
    roles = columns.resolve(header, options.columns, columns.with_or_without_quantity(header, options.columns))
    wanted = {role: header[position] for role, position in roles.items()}
    others = [name for name in header if name not in wanted.values() and not columns.is_index(name) and not schema[name].is_nested()]
    frame = pl.read_parquet(path, columns=[*dict.fromkeys(wanted.values()), *others], use_pyarrow=False)
    if frame.is_empty():
        raise DataRefused("no_rows", "the Parquet file holds no rows: it needs one row per day and product")
    named = {role: frame.select(_column(role, name, schema[name])).to_series() for role, name in wanted.items()}
    rest = frame.select(pl.struct(others).hash()).to_series().to_numpy() if others else None
    ignored = [name for name in header if name not in wanted.values()]
    if ignored:
        findings.note(f"columns not used: {', '.join(ignored[: columns.MAX_LISTED])}")
    return Table(
        lines=np.arange(1, frame.height + 1, dtype=np.uint32),
        date=_coded(named["date"]),
        product=coded(named["product"]),
        quantity=_coded(named["quantity"]) if "quantity" in named else None,
        shop=coded(named["shop"]) if "shop" in named else None,
        rest=rest,
        rows_read=frame.height,
        format="Parquet",
        columns=wanted,
        header=tuple(header),
    )


def _coded(column: pl.Series) -> Coded | pl.Series:
    return coded(column) if column.dtype == pl.String else column


def _column(role: str, name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(kind, _TEXT):
        return column.cast(pl.String)
    if kind.is_integer() and role != "quantity":
        return column.cast(pl.String)
    if role == "date" and (kind == pl.Date or isinstance(kind, pl.Datetime)):
        return _within_calendar(column, kind)
    if role == "quantity" and kind.is_numeric():
        return column.cast(pl.Float64)
    raise DataRefused("wrong_column_type", f"column {quoted(name)} is of type {kind}, which is no {role}: write it as {_EXPECTED[role]}")


def _within_calendar(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Years 1 to 9999: polars panics when it is to show a date far beyond. Nanoseconds in 64 bits stay within 1677 to 2262."""
    first, last = (day.toordinal() - date(1970, 1, 1).toordinal() for day in (date.min, date.max))
    if not isinstance(kind, pl.Datetime):
        return column.to_physical().clip(first, last).cast(kind)
    if kind.time_unit == "ns":
        return column
    per_day = 86_400 * {"ms": 10**3, "us": 10**6}[kind.time_unit]
    return column.to_physical().clip(first * per_day, last * per_day).cast(kind)


_EXPECTED = {"date": "a date, a timestamp or text", "quantity": "a number", "product": "text", "shop": "text"}
