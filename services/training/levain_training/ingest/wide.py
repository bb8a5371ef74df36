"""Wide files: a column per day or per product, by the option `layout` → the rows of a long one. An empty cell is no row."""

import re
from dataclasses import replace

import numpy as np
import polars as pl

from levain_contracts.reading import Layout, ReadingOptions
from levain_training.ingest import columns
from levain_training.ingest.coded import Coded
from levain_training.ingest.findings import quoted
from levain_training.ingest.header import Header
from levain_training.ingest.refusals import DataRefused
from levain_training.ingest.table import Table

# With or without a year: dates without one are refused as such once the whole header is looked at.
_DAY = re.compile(r"\d{1,4}\s*[-/.]\s*\d{1,2}(\s*[-/.]\s*\d{1,4})?\.?\s*$|\b(19|20)\d{6}\b")
_SUMS = frozenset({"total", "totals", "sum", "summe", "gesamt", "gesamtsumme", "somme", "totale", "suma", "grand total"})


def cells(header: Header, roles: dict[str, int], options: ReadingOptions) -> list[int]:
    """The positions of the columns that hold quantities; none in a long file. Raises DataRefused `missing_column`."""
    if options.layout is Layout.LONG:
        return []
    free = [i for i, name in enumerate(header.names) if i not in roles.values() and name and not columns.is_index(name)]
    if options.layout is Layout.DAY_COLUMNS:
        # A given format decides by itself what is a date: `dateformat` leaves out what does not fit.
        found = [i for i in free if _DAY.search(header.names[i]) or options.date_format is not None]
    else:
        found = [i for i in free if columns.normalise(header.names[i]) not in _SUMS]
    if not found:
        what = "day" if options.layout is Layout.DAY_COLUMNS else "product"
        raise DataRefused("missing_column", f"line {header.line}, the header, has no column of a {what}, as layout {options.layout} says")
    _refuse_twice(header, found)
    return found


def _refuse_twice(header: Header, found: list[int]) -> None:
    seen: set[str] = set()
    for name in (header.names[i] for i in found):
        if name in seen:
            raise DataRefused("ambiguous_column", f"line {header.line}, the header, has two columns {quoted(name)}: name each once")
        seen.add(name)


def unfolded(table: Table, names: list[str], layout: Layout) -> Table:
    """`table.quantity` holds the cells row by row, one for each of `names`."""
    quantity = table.quantity
    assert isinstance(quantity, Coded)
    rows, width = len(table.lines), len(names)
    by_cell = Coded(np.tile(np.arange(width, dtype=np.uint32), rows), pl.Series(names, dtype=pl.String))
    days = layout is Layout.DAY_COLUMNS
    label = f"one column per {'day' if days else 'product'}"
    long = replace(
        table,
        lines=np.repeat(table.lines, width),
        date=by_cell if days else _spread(table.date, width),
        product=_spread(table.product, width) if days else by_cell,
        shop=None if table.shop is None else _spread(table.shop, width),
        format=f"{table.format}, {label}",
    )
    empty = (quantity.texts.fill_null("").str.strip_chars() == "").to_numpy()
    return long.where(~empty[quantity.codes])


def _spread(column: Coded | pl.Series, width: int) -> Coded:
    assert isinstance(column, Coded)
    return Coded(np.repeat(column.codes, width), column.texts)
