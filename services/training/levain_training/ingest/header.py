"""The first lines of a text file → where the data begin, the delimiter and the columns' names."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from levain_contracts.reading import Columns
from levain_training.ingest import columns
from levain_training.ingest.columns import Purpose
from levain_training.ingest.fields import split_line
from levain_training.ingest.findings import quoted
from levain_training.ingest.refusals import DataRefused

DELIMITERS = (",", ";", "\t", "|")
_SEP_LINE = re.compile(r'^"?sep=(.?)"?[,;\t|]*\s*$', re.IGNORECASE)
_DATE_LIKE = re.compile(r"^\s*(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|(19|20)\d{6})\b")
_NUMBER_LIKE = re.compile(r"^\s*-?\d+([.,]\d+)?\s*$")


class Header(NamedTuple):
    """`line` is the physical number of the header's line, counted from 1."""

    line: int
    delimiter: str
    names: list[str]

    @property
    def width(self) -> int:
        """Fields that a row must have: unnamed columns at the end are delimiters that somebody left there."""
        return max((i + 1 for i, name in enumerate(self.names) if name), default=0)


def find_header(lines: Sequence[str], wanted: Columns, purpose: Purpose = columns.SALES) -> Header:
    """`lines` are the file's first ones, blank ones among them. Raises DataRefused where none is a header."""
    at, hint = _after_sep_line(lines)
    header = _best(at + 1, lines[at], hint, wanted, purpose)
    if not purpose.wide:
        _refuse_data(header, purpose)
    return header


def _after_sep_line(lines: Sequence[str]) -> tuple[int, str | None]:
    hint: str | None = None
    for index, line in enumerate(lines):
        found = _SEP_LINE.match(line)
        if found and hint is None:
            hint = found[1] or "\t"
        elif line.strip():
            return index, hint
    raise DataRefused("empty_file", "the file holds no header line: it needs one, such as date,product,quantity")


def _best(number: int, line: str, hint: str | None, wanted: Columns, purpose: Purpose) -> Header:
    """The delimiter under which most roles are found, then the one with most fields: the decimal comma can't win."""
    usable = [hint] if hint and not hint.isalnum() and hint != '"' else []
    headers = []
    for delimiter in (*usable, *DELIMITERS):
        names = split_line(line, delimiter)
        if names is not None:
            headers.append(Header(number, delimiter, [" ".join(name.split()) for name in names]))
    if not headers:
        raise DataRefused("unclosed_quote", f"line {number}, the header, opens a quote and never closes it")
    return max(headers, key=lambda header: (_roles(header, wanted, purpose), len(header.names)))


def _roles(header: Header, wanted: Columns, purpose: Purpose) -> int:
    return sum(bool(found) for found in columns.candidates(header.names, wanted, purpose).values())


def _refuse_data(header: Header, purpose: Purpose) -> None:
    dates = [name for name in header.names if _DATE_LIKE.match(name)]
    if len(dates) > 2:
        what = f"line {header.line} has one column per day ({quoted(dates[0])}, …)"
        raise DataRefused("wide_table", f"{what}: set layout to day_columns, or write one row per day and product")
    numbers = any(_NUMBER_LIKE.match(name) for name in header.names)
    if dates or (numbers and _roles(header, Columns(), purpose) == 0):
        shown = quoted(header.delimiter.join(header.names))
        raise DataRefused(
            "no_header", f"line {header.line} is data, not a header ({shown}): put the line {','.join(purpose.required)} above it"
        )
