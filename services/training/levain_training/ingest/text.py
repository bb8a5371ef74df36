"""A text file's blocks → a table of the columns that matter. Plain blocks go through polars' own reader, others line by line."""

from collections.abc import Iterable
from itertools import chain

import numpy as np
import numpy.typing as npt
import polars as pl

from levain_contracts.reading import Layout, ReadingOptions
from levain_training.ingest import columns, wide
from levain_training.ingest.blocks import blocks
from levain_training.ingest.coded import Coded, Coder, Lines
from levain_training.ingest.findings import Findings
from levain_training.ingest.header import Header, find_header
from levain_training.ingest.records import Records, field_names
from levain_training.ingest.refusals import DataRefused
from levain_training.ingest.sniff import Encoded
from levain_training.ingest.table import Table

_DELIMITER_NAMES = {"\t": "tab"}
_HEADER_SEARCH_LINES = 1000


def read_text(file: Encoded, options: ReadingOptions, findings: Findings) -> Table:
    """Quantities are looked for later where there is no column of them: ticket lines have none."""
    incoming = blocks(file)
    first = next(incoming)
    purpose = _PURPOSES[options.layout]
    header = find_header(physical_lines(first, _HEADER_SEARCH_LINES).to_list(), options.columns, purpose)
    roles = columns.resolve(header.names, options.columns, columns.with_or_without_quantity(header.names, options.columns, purpose))
    cells = wide.cells(header, roles, options)
    others = [] if purpose.wide else [i for i, name in enumerate(header.names) if i not in roles.values() and not columns.is_index(name)]
    reader = _Reader(header, roles, cells, others)
    reader.read(chain((_after(first, header.line),), incoming))
    if not reader.records.rows_read:
        if purpose is columns.SALES and "quantity" not in roles:
            raise columns.missing("quantity", None, header.names)
        raise DataRefused("no_rows", f"line {header.line}, the header, is the only one: the file needs one row per day and product")
    reader.records.report(findings)
    _note_ignored(header, {*roles.values(), *cells}, findings)
    delimiter = _DELIMITER_NAMES.get(header.delimiter, f"'{header.delimiter}'")
    table = reader.table(f"CSV, {delimiter}", {role: header.names[i] for role, i in roles.items()})
    return wide.unfolded(table, [header.names[i] for i in cells], options.layout) if purpose.wide else table


_PURPOSES = {
    Layout.LONG: columns.SALES,
    Layout.DAY_COLUMNS: columns.DAY_COLUMNS,
    Layout.PRODUCT_COLUMNS: columns.PRODUCT_COLUMNS,
}


def physical_lines(block: bytes, at_most: int = -1) -> pl.Series:
    """A block's lines; their number is what an editor shows. Carriage returns at their ends are none of theirs."""
    lines = block.decode().split("\n", at_most)
    kept = lines[:at_most] if at_most > 0 else lines[: -1 if not lines[-1] else None]
    return pl.Series("text", kept, dtype=pl.String).str.strip_chars_end("\r")


def _after(block: bytes, lines: int) -> bytes:
    at = 0
    for _ in range(lines):
        at = block.find(b"\n", at) + 1 or len(block)
    return block[at:]


_NOTHING = Coded(np.empty(0, dtype=np.uint32), pl.Series([], dtype=pl.String))


class _Reader:
    """Takes block after block, and keeps of each what has a purpose."""

    def __init__(self, header: Header, roles: dict[str, int], cells: list[int], others: list[int]) -> None:
        self.records = Records(header)
        self._header = header
        self._roles = roles
        self._cells = cells
        self._quantities = Coder()
        self._others = others
        self._coders = {role: Coder() for role in roles}
        self._lines: list[Lines] = []
        self._rest: list[npt.NDArray[np.uint64]] = []

    def read(self, body: Iterable[bytes]) -> None:
        line = self._header.line + 1
        for block in filter(None, body):
            line = self._take(block, line)

    def _take(self, block: bytes, line: int) -> int:
        """The number of the line behind the block."""
        count = block.count(b"\n") + (not block.endswith(b"\n"))
        records = self._plain(block, count)
        if records is None:
            records = self.records.split(physical_lines(block), line)
            self._lines.append(records["line"].to_numpy())
        else:
            self.records.rows_read += count
            self._lines.append(np.arange(line, line + count, dtype=np.uint32))
        for role, position in self._roles.items():
            self._coders[role].take(records[f"field_{position}"])
        if self._cells:
            self._quantities.take(*(records[f"field_{i}"] for i in self._cells))
        if self._others:
            fields = [pl.col(f"field_{i}").cast(pl.String).fill_null("").str.strip_chars() for i in self._others]
            self._rest.append(records.select(pl.concat_str(fields, separator="\x1f").hash()).to_series().to_numpy())
        return line + count

    def _plain(self, block: bytes, count: int) -> pl.DataFrame | None:
        """Read as polars reads it, where that is certain to be what a careful reading gives: no quotes, no blank line, each line of
        the header's width. As many delimiters as fit all lines, and no line with too many, leave no line with too few."""
        names = field_names(self._header)[:-1]
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        wanted = count * (len(names) - 1)
        delimiter = self._header.delimiter.encode()
        if b'"' in block or b"\r" in block or self._header.width < len(names) or len(delimiter) > 1 or block.count(delimiter) != wanted:
            return None
        by_position = dict.fromkeys(self._cells, self._quantities.dtype)
        by_position |= {position: self._coders[role].dtype for role, position in self._roles.items()}
        schema = {name: by_position.get(i, pl.String()) for i, name in enumerate(names)}
        try:
            records = pl.read_csv(
                block, has_header=False, separator=self._header.delimiter, quote_char=None, schema=schema, infer_schema=False
            )
        except pl.exceptions.PolarsError:
            return None
        return records if records.height == count and not self._has_blank(records) else None

    def _has_blank(self, records: pl.DataFrame) -> bool:
        """A line of delimiters alone has no date or product either."""
        distinct = records[f"field_{next(iter(self._roles.values()))}"].unique()
        return bool((distinct.cast(pl.String).fill_null("").str.strip_chars() == "").any())

    def table(self, label: str, named: dict[str, str]) -> Table:
        coded = {role: coder.coded() for role, coder in self._coders.items()}
        return Table(
            lines=np.concatenate(self._lines),
            date=coded.get("date", _NOTHING),
            product=coded.get("product", _NOTHING),
            quantity=self._quantities.coded() if self._cells else coded.get("quantity"),
            shop=coded.get("shop"),
            rest=np.concatenate(self._rest) if self._rest else None,
            rows_read=self.records.rows_read,
            format=label,
            columns=named,
            header=tuple(self._header.names),
        )


def _note_ignored(header: Header, used: set[int], findings: Findings) -> None:
    ignored = [name for i, name in enumerate(header.names) if i not in used and name]
    if ignored:
        findings.note(f"columns not used: {', '.join(ignored[: columns.MAX_LISTED])}")
