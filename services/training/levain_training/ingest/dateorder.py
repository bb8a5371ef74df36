"""Infers how a column of dates is written: the order of day, month and year, by notation, from all of its values."""

from typing import NoReturn

import polars as pl

from levain_training.ingest.dateformat import Parsed
from levain_training.ingest.findings import Findings, quoted
from levain_training.ingest.refusals import DataRefused

_WEEKDAY = r"^(?:\p{L}{2,12}[.,]{0,2}\s+)?"
_PARTS = _WEEKDAY + r"([0-9]{1,4})\s*([-/.])\s*([0-9]{1,2})\s*[-/.]\s*([0-9]{1,4})\.?$"
_COMPACT = r"^[0-9]{8}$"
_NO_YEAR = _WEEKDAY + r"[0-9]{1,2}\s*[-/.]\s*[0-9]{1,2}\.?$"
_PIVOT = 70  # a two-digit year below it is of this century

# A notation and the orders that it may stand for; the first is tried first.
_ORDERS = {"year_first": ("ymd",), "year_last": ("dmy", "mdy"), "short": ("dmy", "mdy", "ymd"), "compact": ("ymd", "dmy", "mdy")}
_PATTERNS = {"dmy": "%d/%m/%Y", "mdy": "%m/%d/%Y", "ymd": "%Y/%m/%d"}


def infer(values: pl.DataFrame, findings: Findings) -> Parsed:
    """The notation of most rows must be clear; a rarer one is read when it is clear by itself, else its days are null."""
    values = _parts(values)
    shares = values.group_by("notation").agg(pl.col("rows").sum()).sort("rows", "notation", descending=True)
    _refuse_without_year(values, findings)
    days: list[pl.DataFrame] = []
    formats: list[str] = []
    for notation in shares["notation"].drop_nulls():
        group = values.filter(pl.col("notation") == notation)
        order = _order(group, notation, findings, main=not formats)
        if order is not None:
            days.append(group.select("head", day=_day(order)))
            formats.append(_label(group, order))
    if len(formats) > 1:
        findings.note(f"dates are written in {len(formats)} ways: {', '.join(formats)}")
    empty = pl.DataFrame(schema={"head": pl.String, "day": pl.Date})
    found = values.select("head", "rows", "line").join(pl.concat([empty, *days]), on="head", how="left", maintain_order="left")
    return Parsed(found, formats[0] if formats else "")


def _parts(values: pl.DataFrame) -> pl.DataFrame:
    """Adds the three numbers as written (a, b, c), the separator and the notation."""
    text = pl.col("head").str.strip_chars()
    compact, year_first = text.str.contains(_COMPACT), pl.col("a").str.len_chars() == 4
    short_end, short_start = pl.col("c").str.len_chars() <= 2, pl.col("a").str.len_chars() <= 2
    notation = (
        pl.when(compact)
        .then(pl.lit("compact"))
        .when(year_first & short_end)
        .then(pl.lit("year_first"))
        .when(short_start & (pl.col("c").str.len_chars() == 4))
        .then(pl.lit("year_last"))
        .when(short_start & short_end)
        .then(pl.lit("short"))
    )
    groups = {name: text.str.extract(_PARTS, index) for name, index in (("a", 1), ("separator", 2), ("b", 3), ("c", 4))}
    return values.with_columns(**groups, text=text).with_columns(notation=notation)


def _day(order: str) -> pl.Expr:
    """Null where the numbers are no date in this order."""
    eight = pl.col("notation") == "compact"
    starts = {"ymd": (0, 4, 6), "dmy": (4, 2, 0), "mdy": (4, 0, 2)}[order]
    lengths = (4, 2, 2)
    columns = {"ymd": ("a", "b", "c"), "dmy": ("c", "b", "a"), "mdy": ("c", "a", "b")}[order]
    year, month, day = (
        pl.when(eight).then(pl.col("text").str.slice(start, length)).otherwise(pl.col(column))
        for start, length, column in zip(starts, lengths, columns, strict=True)
    )
    century = pl.when(year.cast(pl.Int32, strict=False) < _PIVOT).then(pl.lit("20")).otherwise(pl.lit("19"))
    full_year = pl.when(year.str.len_chars() == 2).then(century + year).otherwise(year)
    whole = pl.concat_str([full_year, month.str.zfill(2), day.str.zfill(2)], separator="-")
    found = whole.str.to_date("%Y-%m-%d", strict=False)
    # Eight digits fit several orders at once unless their year must be a likely one.
    return pl.when(eight & ~found.dt.year().is_between(1900, 2199)).then(None).otherwise(found)


def _order(group: pl.DataFrame, notation: str, findings: Findings, *, main: bool) -> str | None:
    """One of `_ORDERS`, or None for a rare notation that could mean several. Raises DataRefused for the main one."""
    orders = _ORDERS[notation]
    read = group.with_columns(**{order: _day(order) for order in orders})
    if len(orders) == 1:
        return orders[0]
    if "ymd" in orders:
        first = _year_first(read, notation)
        if first is None:
            return _ask(read, ("dmy", "ymd"), findings) if main else None
        if first:
            return "ymd"
    only_dmy = read.filter(pl.col("dmy").is_not_null() & pl.col("mdy").is_null())
    only_mdy = read.filter(pl.col("mdy").is_not_null() & pl.col("dmy").is_null())
    if not only_dmy.is_empty() and not only_mdy.is_empty():
        _refuse_mixed(only_dmy, only_mdy, findings)
    if only_mdy.is_empty() and (not only_dmy.is_empty() or read.filter(pl.col("dmy") != pl.col("mdy")).is_empty()):
        return "dmy"
    if not only_mdy.is_empty():
        return "mdy"
    return _ask(read, ("dmy", "mdy"), findings) if main else None


def _year_first(read: pl.DataFrame, notation: str) -> bool | None:
    """Whether the year stands first; None when that can't be told. A year takes few values, a day takes many."""
    ymd = int(read.filter(pl.col("ymd").is_not_null())["rows"].sum())
    other = int(read.filter(pl.any_horizontal(pl.col("dmy", "mdy").is_not_null()))["rows"].sum())
    if notation == "compact" or ymd != other or ymd == 0:
        return ymd > other
    firsts, lasts = read["a"].n_unique(), read["c"].n_unique()
    return None if firsts == lasts else firsts < lasts


def _ask(read: pl.DataFrame, orders: tuple[str, str], findings: Findings) -> NoReturn:
    one, other = orders
    row = read.filter(pl.col(one) != pl.col(other)).sort("line").row(0, named=True)
    value, where = quoted(row["head"]), findings.at(row["line"])
    ways = " or ".join(f"{row[order]:%-d %B %Y} ({_pattern(row, order)})" for order in orders)
    raise DataRefused(
        "ambiguous_dates", f"date {value} on {where} may be {ways}, and no date in the file decides: set date_format to one of the two"
    )


def _pattern(row: dict[str, object], order: str) -> str:
    pattern = _PATTERNS[order]
    if row["notation"] == "compact":
        return pattern.replace("/", "")
    pattern = pattern.replace("/", str(row["separator"]))
    return pattern.replace("%Y", "%y") if row["notation"] == "short" else pattern


def _refuse_mixed(only_dmy: pl.DataFrame, only_mdy: pl.DataFrame, findings: Findings) -> None:
    day_first, month_first = (rows.sort("line").row(0, named=True) for rows in (only_dmy, only_mdy))
    raise DataRefused(
        "mixed_dates",
        f"{quoted(day_first['head'])} on {findings.at(day_first['line'])} puts the day first and {quoted(month_first['head'])} on "
        f"{findings.at(month_first['line'])} the month: write all dates in one way, or set date_format to drop the others",
    )


def _refuse_without_year(values: pl.DataFrame, findings: Findings) -> None:
    bare = values.filter(pl.col("text").str.contains(_NO_YEAR)).sort("line")
    if int(bare["rows"].sum()) * 2 > int(values["rows"].sum()):
        row = bare.row(0, named=True)
        raise DataRefused(
            "date_without_year", f"date {quoted(row['head'])} on {findings.at(row['line'])} has no year: write dates as yyyy-mm-dd"
        )


def _label(group: pl.DataFrame, order: str) -> str:
    """`dd/mm/yyyy`, with the separator of most rows."""
    most = group.group_by("separator").agg(pl.col("rows").sum()).sort("rows", "separator", descending=True)["separator"][0]
    year = "yy" if group["notation"][0] == "short" else "yyyy"
    names = {"d": "dd", "m": "mm", "y": year}
    return (most or "").join(names[letter] for letter in order)
