"""The quantity column → units. Which mark is the decimal one is read from the whole column; where it doesn't show, we ask."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from levain_training.ingest.coded import Coded, Mask, lookup
from levain_training.ingest.findings import Findings, quoted
from levain_training.ingest.refusals import DataRefused
from levain_training.ingest.table import Table, written

MAX_UNITS = 1e12
DECIMALS = 9
Mark = Literal[".", ","]
_OTHER: dict[Mark, Mark] = {".": ",", ",": "."}
MISSING = ("", "na", "n/a", "n.a.", "#n/a", "#na", "null", "nan", "none", "-", "--", "–", "—", "?", ".")
_SPACED = r"^[0-9]{1,3}(?:[\s'’][0-9]{3})+(?:[.,][0-9]+)?$"
_MINUS = "[-−–]"


class Counted(NamedTuple):
    """`units`, one entry a row, NaN where the quantity is unknown; `formats` are parts of the report's format."""

    units: npt.NDArray[np.float64]
    formats: list[str]


def read(table: Table, decimal: Mark | None, findings: Findings) -> Counted:
    """No row is left out. Without a quantity column each row is one unit.

    Raises DataRefused where the notation is not clear, or most quantities can't be read.
    """
    if table.quantity is None:
        return Counted(np.ones(len(table.lines)), [])
    if not isinstance(table.quantity, Coded):
        return _typed(table, table.quantity, findings)
    values = _bodies(table.quantity.values(table.lines))
    if values.is_empty():
        return Counted(np.empty(0), [])
    mark = decimal or _decimal(values, findings)
    values = values.with_columns(units=_units(mark).round(DECIMALS))
    formats = _formats(values, mark)
    missing = lookup(values, "missing", len(table.quantity.texts), False).to_numpy()
    units = lookup(values, "units", len(table.quantity.texts), float("nan")).to_numpy()[table.quantity.codes]
    _report(table, units, missing[table.quantity.codes] if values["missing"].any() else None, findings)
    return Counted(units, formats)


def _typed(table: Table, quantity: pl.Series, findings: Findings) -> Counted:
    missing = quantity.is_null().to_numpy() | quantity.is_nan().fill_null(value=False).to_numpy()
    units = quantity.fill_null(float("nan")).to_numpy()
    with np.errstate(invalid="ignore"):
        units = np.where(np.isfinite(units) & (np.abs(units) <= MAX_UNITS), np.round(units, DECIMALS), np.nan)
    _report(table, units, missing, findings)
    return Counted(units, [])


def _bodies(values: pl.DataFrame) -> pl.DataFrame:
    """Adds `missing`, `negative`, `spaced` and `body`: the digits and marks without sign and grouping spaces."""
    text = pl.col("text").fill_null("").str.strip_chars()
    unsigned = text.str.replace(r"^\((.+)\)$", "$1").str.replace(rf"^(?:\+|{_MINUS})\s*", "").str.replace(rf"\s*{_MINUS}$", "")
    negative = text.str.contains(rf"^{_MINUS}|[0-9]\s*{_MINUS}$|^\(.+\)$")
    values = values.with_columns(missing=text.str.to_lowercase().is_in(list(MISSING)), negative=negative, body=unsigned)
    values = values.with_columns(spaced=pl.col("body").str.contains(_SPACED))
    joined = pl.col("body").str.replace_all(r"[\s'’]", "")
    return values.with_columns(body=pl.when("spaced").then(joined).otherwise("body"))


def _is_decimal(mark: Mark) -> pl.Expr:
    """Values in which `mark` can only be the decimal mark."""
    point, group = rf"\{mark}", rf"\{_OTHER[mark]}"
    body = pl.col("body")
    one = body.str.contains(rf"^(?:[0-9]+{point}[0-9]*|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?$") & ~_is_unclear(mark)
    both = body.str.contains(rf"^[0-9]{{1,3}}(?:{group}[0-9]{{3}})+{point}[0-9]*$")
    grouped_twice = body.str.contains(rf"^[0-9]{{1,3}}(?:{group}[0-9]{{3}}){{2,}}$")
    return one | both | grouped_twice


def _is_unclear(mark: Mark) -> pl.Expr:
    """`1.234`: a thousand and more, or one and some."""
    return pl.col("body").str.contains(rf"^[1-9][0-9]{{0,2}}\{mark}[0-9]{{3}}$")


def _decimal(values: pl.DataFrame, findings: Findings) -> Mark:
    point, comma = values.filter(_is_decimal(".")), values.filter(_is_decimal(","))
    if not point.is_empty() and not comma.is_empty():
        (first, at), (second, also_at) = (rows.select("text", "line").row(0) for rows in (point, comma))
        where = f"{quoted(first)} on {findings.at(at)} and {quoted(second)} on {findings.at(also_at)}"
        raise DataRefused(
            "mixed_numbers", f"{where} use different decimal marks: write all quantities in one way, or set decimal to '.' or ','"
        )
    if not point.is_empty():
        return "."
    if not comma.is_empty():
        return ","
    return _from_unclear(values, findings)


def _from_unclear(values: pl.DataFrame, findings: Findings) -> Mark:
    """No value shows the decimal mark; `1.400` beside `960` still shows what groups thousands."""
    marks: list[Mark] = [mark for mark in _OTHER if not values.filter(_is_unclear(mark)).is_empty()]
    if not marks:
        return "."
    mark = marks[0]
    unclear = values.filter(_is_unclear(mark))
    if len(marks) == 1 and values["spaced"].any():
        return mark
    if len(marks) == 1 and _groups_thousands(values, unclear):
        return _OTHER[mark]
    value, line = unclear.select("text", "line").row(0)
    readings = f"{value.replace(mark, '')} or {value.replace(mark, '.')}"
    what = f"quantity {quoted(value)} on {findings.at(line)} may be {readings}, and no quantity in the file decides"
    raise DataRefused("ambiguous_numbers", f"{what}: set decimal to '.' or ','")


def _groups_thousands(values: pl.DataFrame, unclear: pl.DataFrame) -> bool:
    """Whole numbers stop short of 1000, where grouped ones begin, and some of these end in a zero: no decimal is written so."""
    whole = values.filter(pl.col("body").str.contains(r"^[0-9]{1,9}$"))["body"].cast(pl.Int64)
    largest = whole.max() if not whole.is_empty() else 0
    padded = unclear["body"].str.ends_with("0").any() and not unclear["body"].str.ends_with("000").all()
    return isinstance(largest, int) and 100 <= largest < 1000 and padded


def _units(mark: Mark) -> pl.Expr:
    point, group = rf"\{mark}", rf"\{_OTHER[mark]}"
    body = pl.col("body")
    grouped = body.str.contains(rf"^[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+(?:{point}[0-9]*)?$")
    simple = body.str.contains(rf"^(?:[0-9]+(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]{{1,3}})?$")
    joined = pl.when(grouped).then(body.str.replace_all(group, "")).when(simple).then(body)
    size = joined.str.replace(point, ".").cast(pl.Float64, strict=False)
    signed = pl.when("negative").then(-size).otherwise(size)
    return pl.when(size.is_finite() & (size <= MAX_UNITS)).then(signed)


def _formats(values: pl.DataFrame, mark: Mark) -> list[str]:
    read = values.filter(pl.col("units").is_not_null())
    group = _OTHER[mark]
    parts = []
    if read["spaced"].any():
        parts.append("spaces group thousands")
    if read["body"].str.contains(group, literal=True).any():
        parts.append(f"'{group}' groups thousands")
    if read["body"].str.contains(mark, literal=True).any():
        parts.append(f"'{mark}' is the decimal mark")
    return parts


def _report(table: Table, units: npt.NDArray[np.float64], missing: Mask | None, findings: Findings) -> None:
    unknown, column = np.isnan(units), table.quantity
    if column is None or not unknown.any():
        return
    without = np.flatnonzero(missing) if missing is not None else np.empty(0, dtype=np.intp)
    unparsable = np.flatnonzero(unknown & ~missing if missing is not None else unknown)
    if len(unparsable) * 2 > len(units):
        where = f"the first on {findings.at(table.lines[unparsable[0]])}: {quoted(written(column, int(unparsable[0])))}"
        what = f"{len(unparsable):,} of {len(units):,} quantities"
        raise DataRefused("unparsable_quantities", f"{what} can't be read, {where}; write plain numbers such as 12 or 12.5")
    for code, rows, what in (
        ("missing_quantity", without, "without a quantity: that day counts as unknown"),
        ("unparsable_quantity", unparsable, "with a quantity that is no number: that day counts as unknown"),
    ):
        if len(rows):
            findings.repair(code, table.lines[rows], what, written(column, int(rows[0])))
