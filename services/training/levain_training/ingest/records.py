"""Lines that are not plain: quotes, blank lines, fields too many or too few. Vectorised; only odd ones go through Python."""

import re

import polars as pl

from levain_contracts.report import MAX_LINES
from levain_training.ingest.fields import split_line, split_lines
from levain_training.ingest.findings import Findings, counted
from levain_training.ingest.header import Header
from levain_training.ingest.refusals import DataRefused

# Beyond both, wrong widths are no slips: an unquoted `1,400` would cost all days of a thousand and more.
_FEW_ROWS, _FEW_SHARE = 20, 0.05


def field_names(header: Header) -> list[str]:
    """`field_0` … and `field_<n>`, which holds what goes beyond the header's n columns."""
    return [f"field_{i}" for i in range(len(header.names) + 1)]


class _Dropped:
    """Rows that are left out: how many in the whole file, and the first of them as (line, text)."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[tuple[int, str]] = []

    def take(self, rows: pl.DataFrame) -> None:
        self.count += rows.height
        self.first += rows.select("line", "text").head(MAX_LINES - len(self.first)).rows()

    def report(self, code: str, what: str, findings: Findings) -> None:
        lines = [line for line, _ in self.first]
        repair = findings.listed(code, self.count, lines, what, self.first[0][1] if self.first else None)
        if repair is not None:
            findings.repairs.append(repair)


class Records:
    """Splits block after block; what had to be left out is told at the end."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._blank = rf"[^\s{re.escape(header.delimiter)}]"
        self._unclosed = _Dropped()
        self._misfits = _Dropped()
        self.rows_read = 0

    def split(self, lines: pl.Series, line: int) -> pl.DataFrame:
        """`lines` from physical line `line` on → `line` and one column for each of `field_names`, blank lines passed over."""
        body = pl.DataFrame({"text": lines}).with_row_index("line", offset=line)
        body = body.filter(pl.col("text").str.contains(self._blank))
        self.rows_read += body.height
        simple = _unquoted(body, self._header.delimiter)
        fields = pl.col("text").str.splitn(self._header.delimiter, len(self._header.names) + 1).alias("fields")
        records = simple.with_columns(fields).unnest("fields")
        odd = body.join(simple, on="line", how="anti", maintain_order="left")
        if not odd.is_empty():
            records = pl.concat([records, self._odd(odd)]).sort("line")
        last, beyond = pl.col(f"field_{self._header.width - 1}"), pl.col(f"field_{len(self._header.names)}")
        fits = last.is_not_null() & ~beyond.fill_null("").str.contains(self._blank)
        self._misfits.take(records.filter(~fits))
        return records.filter(fits).drop("text")

    def _odd(self, odd: pl.DataFrame) -> pl.DataFrame:
        width = len(self._header.names)
        split = split_lines(odd["text"], self._header.delimiter)
        unclosed = pl.Series([fields is None for fields in split])
        self._unclosed.take(odd.filter(unclosed))
        padded: list[list[str | None]] = []
        for fields in split:
            if fields is not None:
                beyond = self._header.delimiter.join(fields[width:]) if len(fields) > width else None
                padded.append([*fields[:width], *[None] * (width - len(fields)), beyond])
        records = pl.DataFrame(padded, schema=dict.fromkeys(field_names(self._header), pl.String), orient="row")
        return pl.concat([odd.filter(~unclosed), records], how="horizontal")

    def report(self, findings: Findings) -> None:
        """Raises DataRefused `wrong_field_count` where so many rows don't fit that it is no slip."""
        self._unclosed.report("unclosed_quote", "left out: a quote is opened and never closed on its line", findings)
        bad, total = self._misfits.count, self.rows_read
        if bad * 2 > total or bad > max(_FEW_ROWS, _FEW_SHARE * total):
            self._refuse_widths(findings)
        self._misfits.report("wrong_field_count", f"left out: not the {self._header.width} fields of the header", findings)

    def _refuse_widths(self, findings: Findings) -> None:
        line, text = self._misfits.first[0]
        found = len(split_line(text, self._header.delimiter) or ())
        where = f"{findings.at(line)}, for one, has {counted(found, 'field')} where the header has {self._header.width}"
        what = f"{self._misfits.count:,} of {self.rows_read:,} rows don't fit the header: {where}"
        raise DataRefused(
            "wrong_field_count", f"{what}: quote fields that hold the delimiter '{self._header.delimiter}', a decimal comma for example"
        )


def _unquoted(body: pl.DataFrame, delimiter: str) -> pl.DataFrame:
    """The lines that a plain split reads: without quotes, or with quotes that wrap whole fields and hide nothing."""
    has_quote = pl.col("text").str.contains('"', literal=True)
    plain = rf'[^"{re.escape(delimiter)}]*'
    regular = rf'^(?:"{plain}"|{plain})(?:{re.escape(delimiter)}(?:"{plain}"|{plain}))*$'
    bare = body.filter(~has_quote)
    if bare.height == body.height:
        return bare
    wrapped = body.filter(has_quote).filter(pl.col("text").str.contains(regular))
    return pl.concat([bare, wrapped.with_columns(pl.col("text").str.replace_all('"', "", literal=True))]).sort("line")
