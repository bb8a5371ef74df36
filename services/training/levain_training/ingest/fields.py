"""One line → its fields, tolerantly: RFC 4180, and names that hold a bare quote such as `Tarte 9"`."""

import csv
import re

import polars as pl


def split_lines(lines: pl.Series, delimiter: str) -> list[list[str] | None]:
    """As `split_line` on each, but those that follow RFC 4180 to the letter go through `csv`, which is 10 times faster."""
    mark = re.escape(delimiter)
    field = rf'(?:"(?:[^"\r]|"")*"|[^"{mark}\r]*)'
    regular = lines.str.contains(rf"^{field}(?:{mark}{field})*$") & (lines.str.len_chars() < csv.field_size_limit())
    records = csv.reader(lines.filter(regular).to_list(), delimiter=delimiter, strict=True)
    return [next(records) if plain else split_line(line, delimiter) for line, plain in zip(lines, regular, strict=True)]


def split_line(line: str, delimiter: str) -> list[str] | None:
    """None when a quote is opened and never closed: a record never goes beyond its line."""
    fields: list[str] = []
    start = 0
    while start <= len(line):
        field, end = _field(line, start, delimiter)
        if field is None:
            return None
        fields.append(field)
        start = end + 1
    return fields


def _field(line: str, start: int, delimiter: str) -> tuple[str | None, int]:
    opening = _opening_quote(line, start, delimiter)
    if opening < 0:
        end = _end(line, start, delimiter)
        return line[start:end], end
    closing, lone = _closing_quote(line, opening + 1, delimiter)
    if closing >= 0:
        return line[opening + 1 : closing].replace('""', '"'), _end(line, closing, delimiter)
    end = _end(line, start, delimiter)
    return (line[start:end] if lone else None), end


def _end(line: str, start: int, delimiter: str) -> int:
    end = line.find(delimiter, start)
    return end if end >= 0 else len(line)


def _opening_quote(line: str, start: int, delimiter: str) -> int:
    """Where the field at `start` opens a quote, else -1."""
    while start < len(line) and line[start].isspace() and line[start] != delimiter:
        start += 1
    return start if line.startswith('"', start) else -1


def _closing_quote(line: str, start: int, delimiter: str) -> tuple[int, bool]:
    """The quote before a delimiter or the line's end (-1 when there is none), and whether a lone quote was passed."""
    lone = False
    at = line.find('"', start)
    while at >= 0:
        if line.startswith('""', at):
            at = line.find('"', at + 2)
            continue
        if not line[at + 1 : _end(line, at, delimiter)].strip():
            return at, lone
        lone = True
        at = line.find('"', at + 1)
    return -1, lone
