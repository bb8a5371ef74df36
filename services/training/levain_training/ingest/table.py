"""A text file's lines → one row per record with the columns that matter, vectorised; only odd lines go through Python."""

import re
from dataclasses import dataclass

import polars as pl

from levain_contracts.reading import ReadingOptions
from levain_training.ingest import columns
from levain_training.ingest.fields import split_line, split_lines
from levain_training.ingest.findings import Findings, counted
from levain_training.ingest.header import Header, find_header
from levain_training.ingest.refusals import DataRefused

_DELIMITER_NAMES = {"\t": "tab"}
_HEADER_SEARCH_LINES = 1000
# Beyond both, wrong widths are no slips: an unquoted `1,400` would cost all days of a thousand and more.
_FEW_ROWS, _FEW_SHARE = 20, 0.05


@dataclass(frozen=True)
class Table:
    """`rows`: line, date, product, quantity, shop (where there is one) and `rest`, a hash of the columns that have no role."""

    rows: pl.DataFrame
    rows_read: int
    format: str
    columns: dict[str, str]


def read_text(text: str, options: ReadingOptions, findings: Findings) -> Table:
    lines = physical_lines(text)
    header = find_header(lines.head(_HEADER_SEARCH_LINES).to_list(), options.columns)
    roles = columns.resolve(header.names, options.columns)
    body = pl.DataFrame({"text": lines}).with_row_index("line", offset=1).slice(header.line)
    body = body.filter(pl.col("text").str.contains(rf"[^\s{re.escape(header.delimiter)}]"))
    if body.is_empty():
        raise DataRefused("no_rows", f"line {header.line}, the header, is the only one: the file needs one row per day and product")
    records = _records(body, header, findings)
    named = {role: pl.col(f"field_{position}") for role, position in roles.items()}
    rows = records.select("line", **named, rest=_rest(header, roles))
    _note_ignored(header, roles, findings)
    delimiter = _DELIMITER_NAMES.get(header.delimiter, f"'{header.delimiter}'")
    return Table(rows, body.height, f"CSV, {delimiter}", {role: header.names[i] for role, i in roles.items()})


def physical_lines(text: str) -> pl.Series:
    """A line ends at LF or CRLF, in a file without any LF at CR; so a line's number is what an editor shows."""
    end = "\n" if "\n" in text else "\r"
    return pl.Series("text", [text]).str.split(end).explode().str.strip_chars_end("\r")


def _records(body: pl.DataFrame, header: Header, findings: Findings) -> pl.DataFrame:
    """Columns `line`, `field_0` … and `field_<n>`, which holds what goes beyond the header's n columns."""
    simple = _unquoted(body, header.delimiter)
    split = simple.with_columns(pl.col("text").str.splitn(header.delimiter, len(header.names) + 1).alias("fields")).unnest("fields")
    odd = body.join(simple, on="line", how="anti", maintain_order="left")
    if not odd.is_empty():
        split = pl.concat([split, _odd_records(odd, header, findings)]).sort("line")
    last, beyond = pl.col(f"field_{header.width - 1}"), pl.col(f"field_{len(header.names)}")
    fits = last.is_not_null() & ~beyond.fill_null("").str.contains(rf"[^\s{re.escape(header.delimiter)}]")
    _report_widths(split.filter(~fits), body.height, header, findings)
    return split.filter(fits)


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


def _odd_records(odd: pl.DataFrame, header: Header, findings: Findings) -> pl.DataFrame:
    width = len(header.names)
    split = split_lines(odd["text"], header.delimiter)
    unclosed = [fields is None for fields in split]
    findings.repair("unclosed_quote", odd.filter(pl.Series(unclosed)), "left out: a quote is opened and never closed on its line", "text")
    padded: list[list[str | None]] = []
    for fields in split:
        if fields is not None:
            beyond = header.delimiter.join(fields[width:]) if len(fields) > width else None
            padded.append([*fields[:width], *[None] * (width - len(fields)), beyond])
    schema = {f"field_{i}": pl.String for i in range(width + 1)}
    kept = odd.filter(~pl.Series(unclosed))
    return pl.concat([kept, pl.DataFrame(padded, schema=schema, orient="row")], how="horizontal")


def _report_widths(bad: pl.DataFrame, total: int, header: Header, findings: Findings) -> None:
    if bad.is_empty():
        return
    if bad.height * 2 > total or bad.height > max(_FEW_ROWS, _FEW_SHARE * total):
        line, text = bad.sort("line").select("line", "text").row(0)
        found = len(split_line(text, header.delimiter) or ())
        where = f"line {line}, for one, has {counted(found, 'field')} where the header has {header.width}"
        what = f"{bad.height:,} of {total:,} rows don't fit the header: {where}"
        raise DataRefused(
            "wrong_field_count", f"{what}: quote fields that hold the delimiter '{header.delimiter}', a decimal comma for example"
        )
    findings.repair("wrong_field_count", bad, f"left out: not the {header.width} fields of the header", "text")


def _rest(header: Header, roles: dict[str, int]) -> pl.Expr:
    others = [i for i, name in enumerate(header.names) if i not in roles.values() and not columns.is_index(name)]
    if not others:
        return pl.lit(0, dtype=pl.UInt64)
    return pl.concat_str([pl.col(f"field_{i}").fill_null("").str.strip_chars() for i in others], separator="\x1f").hash()


def _note_ignored(header: Header, roles: dict[str, int], findings: Findings) -> None:
    ignored = [name for i, name in enumerate(header.names) if i not in roles.values() and name]
    if ignored:
        findings.note(f"columns not used: {', '.join(ignored[: columns.MAX_LISTED])}")
