"""The table that every kind of file becomes: one entry a row, text coded."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from levain_training.ingest.coded import Coded, Lines, Mask


@dataclass(frozen=True)
class Table:
    """One entry a row each. `lines` ascend. `date` and `quantity` are coded text, or values of a Parquet file's own type.

    `quantity` is None in a file without that column, and `shop` in one without shops. `rest` is a hash of the columns that have
    no role, None where there are none.
    """

    lines: Lines
    date: Coded | pl.Series
    product: Coded
    quantity: Coded | pl.Series | None
    shop: Coded | None
    rest: npt.NDArray[np.uint64] | None
    rows_read: int
    format: str
    columns: dict[str, str]
    header: tuple[str, ...]

    def where(self, rows: Mask) -> "Table":
        return replace(
            self,
            lines=self.lines[rows],
            date=where(self.date, rows),
            product=self.product.where(rows),
            quantity=None if self.quantity is None else where(self.quantity, rows),
            shop=None if self.shop is None else self.shop.where(rows),
            rest=None if self.rest is None else self.rest[rows],
        )


def where(column: Coded | pl.Series, rows: Mask) -> Coded | pl.Series:
    return column.where(rows) if isinstance(column, Coded) else column.filter(pl.Series(rows))


def written(column: Coded | pl.Series, row: int) -> str:
    """What stands there, for people."""
    value = column.texts[int(column.codes[row])] if isinstance(column, Coded) else column[row]
    return "" if value is None else str(value)
