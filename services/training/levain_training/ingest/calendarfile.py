"""The tenant's calendar, a text file with a row per day: `date`, `status` (open or closed), `label`, and perhaps `shop`.

Each of its rows was written on purpose, so one that can't be read refuses the whole file.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl

from levain_contracts.model import MAX_NAME_CHARS, clip
from levain_contracts.reading import Columns, ReadingOptions
from levain_contracts.tasks import MAX_HISTORY_DAYS, MarkedDay
from levain_training.ingest import columns, dates, sniff
from levain_training.ingest.blocks import blocks
from levain_training.ingest.coded import coded
from levain_training.ingest.findings import Findings, quoted
from levain_training.ingest.header import find_header
from levain_training.ingest.records import Records
from levain_training.ingest.refusals import DataRefused
from levain_training.ingest.series import day_of
from levain_training.ingest.text import physical_lines

_HEADER_SEARCH_LINES = 1000
# Spelt as `columns.normalise` leaves them.
_OPEN = frozenset(
    [
        "open",
        "opened",
        "offen",
        "geoffnet",
        "auf",
        "ouvert",
        "ouverte",
        "abierto",
        "abierta",
        "aperto",
        "aperta",
        "1",
        "true",
        "yes",
        "ja",
        "oui",
        "si",
    ]
)
_CLOSED = frozenset(
    [
        "closed",
        "close",
        "geschlossen",
        "zu",
        "ruhetag",
        "ferme",
        "fermee",
        "fermeture",
        "cerrado",
        "cerrada",
        "chiuso",
        "chiusa",
        "0",
        "false",
        "no",
        "nein",
        "non",
    ]
)


@dataclass
class Given:
    """What the calendar says of one shop, or of all where it names none."""

    closed: set[date] = field(default_factory=set)
    open: set[date] = field(default_factory=set)
    labelled: list[MarkedDay] = field(default_factory=list)


class _Row(NamedTuple):
    line: int
    day: date
    status: str
    label: str
    shop: str | None


def read(path: Path) -> dict[str | None, Given]:
    """By shop; None holds for all. Raises DataRefused `bad_calendar`, which names the line and what to do."""
    try:
        return _read(path)
    except DataRefused as error:
        raise DataRefused("bad_calendar", f"calendar: {error.message}") from None


def _read(path: Path) -> dict[str | None, Given]:
    given: dict[str | None, Given] = {}
    said: dict[tuple[str | None, date], tuple[bool, int]] = {}
    for row in _rows(path):
        is_open = _is_open(row)
        there = given.setdefault(row.shop, Given())
        if is_open is not None:
            before, line = said.setdefault((row.shop, row.day), (is_open, row.line))
            if before != is_open:
                raise DataRefused("bad_calendar", f"{row.day} is open on one of the lines {line} and {row.line} and closed on the other")
            (there.open if is_open else there.closed).add(row.day)
        if row.label:
            there.labelled.append(MarkedDay(date=row.day, label=row.label))
    return given


def _is_open(row: _Row) -> bool | None:
    """None where the row only labels its day."""
    word = columns.normalise(row.status)
    if word in _OPEN or word in _CLOSED:
        return word in _OPEN
    if word or not row.label:
        raise DataRefused("bad_calendar", f"status {quoted(row.status)} on line {row.line}: write open or closed")
    return None


def _rows(path: Path) -> Iterator[_Row]:
    records, roles = _records(path)
    if records.is_empty():
        return
    if records.height > MAX_HISTORY_DAYS:
        raise DataRefused("bad_calendar", f"it has {records.height:,} rows: at most {MAX_HISTORY_DAYS:,} can be read")
    findings = Findings()
    lines = records["line"].to_numpy()
    dated = dates.read(coded(records[f"field_{roles['date']}"]), lines, ReadingOptions(), findings)
    _refuse_repairs(findings)
    texts = {role: _trimmed(records[f"field_{position}"]) for role, position in roles.items()}
    empty = [""] * records.height
    for line, day, status, label, shop in zip(
        lines.tolist(), dated.days.tolist(), texts["status"], texts.get("label", empty), texts.get("shop", empty), strict=True
    ):
        yield _Row(line, day_of(day), status, clip(label, MAX_NAME_CHARS), shop or None)


def _records(path: Path) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows, none where there is only a header, and where each role's column is."""
    with path.open("rb") as file:
        if file.read(len(sniff.PARQUET_MAGIC)) == sniff.PARQUET_MAGIC:
            raise DataRefused("bad_calendar", "this is a Parquet file: save the calendar as CSV")
    lines = pl.concat([physical_lines(block) for block in blocks(sniff.look(path))])
    header = find_header(lines.head(_HEADER_SEARCH_LINES).to_list(), Columns(), columns.CALENDAR)
    roles = columns.resolve(header.names, Columns(), columns.CALENDAR)
    splitter, findings = Records(header), Findings()
    records = splitter.split(lines[header.line :], header.line + 1)
    splitter.report(findings)
    _refuse_repairs(findings)
    return records.with_columns(pl.col("line").cast(pl.UInt32)), roles


def _refuse_repairs(findings: Findings) -> None:
    for repair in findings.repairs:
        raise DataRefused("bad_calendar", repair.message.replace(" left out:", ":"))


def _trimmed(column: pl.Series) -> list[str]:
    return [(text or "").strip() for text in column]
