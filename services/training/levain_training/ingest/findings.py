"""Collects what was repaired and noted on the way from a file to series; becomes a part of the job's report."""

from dataclasses import dataclass, field

import polars as pl

from levain_contracts.model import clip
from levain_contracts.report import MAX_LINES, Repair

MAX_NOTES = 20
_EXAMPLE_CHARS = 60


def quoted(text: object) -> str:
    return f"'{clip(str(text), _EXAMPLE_CHARS)}'"


@dataclass
class Findings:
    """`unit` is what a number in a message counts: a text file's lines, a Parquet file's rows."""

    unit: str = "line"
    repairs: list[Repair] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def repair(self, code: str, rows: pl.DataFrame, what: str, example: str | None = None) -> None:
        """Lists `rows` (column `line`, and `example` the column to quote) under `code`; nothing when there are none."""
        if rows.is_empty():
            return
        first = rows.sort("line").head(MAX_LINES)
        lines = tuple(first["line"].to_list())
        shown = f": {quoted(first[example][0] or '')}" if example else ""
        message = f"{counted(rows.height, 'row')} {what}, e.g. {self.unit} {lines[0]}{shown}"
        self.repairs.append(Repair(code=code, count=rows.height, lines=lines, message=clip(message)))

    def note(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES:
            self.notes.append(clip(text))

    def at(self, line: object) -> str:
        return f"{self.unit} {line}"


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
