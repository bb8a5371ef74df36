"""A column as numbers into its distinct texts: what a text means is worked out once for each, not once a row."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Codes = npt.NDArray[np.uint32]
Lines = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]
_NULL = 2**32 - 1


@dataclass(frozen=True)
class Coded:
    """Row i holds `texts[codes[i]]`. `texts`: String, each once, a null among them perhaps; some may be on no row."""

    codes: Codes
    texts: pl.Series

    def where(self, rows: Mask) -> "Coded":
        return Coded(self.codes[rows], self.texts)

    def present(self) -> Mask:
        """For each text whether a row holds it."""
        return np.bincount(self.codes, minlength=len(self.texts)) > 0

    def values(self, lines: Lines) -> pl.DataFrame:
        """The texts on rows, by their first line: `code`, `text`, `rows` (how many) and `line`. `lines` ascend."""
        rows = np.bincount(self.codes, minlength=len(self.texts))
        first = np.zeros(len(self.texts), dtype=np.uint32)
        first[self.codes[::-1]] = lines[::-1]  # what is written last stays
        frame = pl.DataFrame({"text": self.texts, "rows": rows, "line": first}).with_row_index("code")
        return frame.filter(pl.col("rows") > 0).sort("line", "code")


class Coder:
    """Codes a column that comes in blocks, with one set of numbers for all of them."""

    def __init__(self) -> None:
        self.dtype = pl.Categorical(pl.Categories.random())
        self._codes: list[Codes] = []
        self._distinct = pl.Series([], dtype=self.dtype)  # polars forgets its numbers with the last column that has them

    def take(self, *columns: pl.Series) -> None:
        """The columns of a block, of `dtype` or text, row by row. Only their numbers are kept, and texts that are new."""
        codes = [self._codes_of(column.cast(self.dtype)) for column in columns]
        self._codes.append(codes[0] if len(codes) == 1 else np.stack(codes, axis=1).reshape(-1))

    def _codes_of(self, column: pl.Series) -> Codes:
        self._distinct = pl.concat([self._distinct, column.unique()]).unique()
        return column.to_physical().fill_null(_NULL).to_numpy()

    def coded(self) -> Coded:
        codes = np.concatenate(self._codes)
        self._codes.clear()
        numbers = self._distinct.to_physical().fill_null(_NULL).to_numpy()
        order = np.argsort(numbers)
        texts = self._distinct.cast(pl.String).gather(order)
        if not np.array_equal(numbers[order], np.arange(len(order))):
            codes = np.searchsorted(numbers[order], codes).astype(np.uint32)
        return Coded(codes, texts)


def coded(column: pl.Series) -> Coded:
    """Of a column of text."""
    coder = Coder()
    coder.take(column)
    return coder.coded()


def lookup(values: pl.DataFrame, column: str, size: int, missing: object) -> pl.Series:
    """`values` (with `code`) as a table by code: what `column` says of each text, `missing` for those on no row."""
    codes = pl.DataFrame({"code": np.arange(size, dtype=np.uint32)})
    found = codes.join(values.select("code", column), on="code", how="left", maintain_order="left")[column]
    return found if missing is None else found.fill_null(missing)
