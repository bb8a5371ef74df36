"""Collects what was repaired and noted on the way from a file to series; becomes a part of the job's report."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from levain_contracts.model import clip
from levain_contracts.report import MAX_LINES, Repair

MAX_NOTES = 20
_EXAMPLE_CHARS = 60


def quoted(text: object) -> str:
    return f"'{clip(str(text), _EXAMPLE_CHARS)}'"


def first(lines: Sequence[int] | npt.NDArray[np.uint32]) -> list[int]:
    """The smallest ones, as many as a report lists."""
    smallest: list[int] = np.sort(np.asarray(lines))[:MAX_LINES].tolist()
    return smallest


@dataclass
class Findings:
    """`unit` is what a number in a message counts: a text file's lines, a Parquet file's rows."""

    unit: str = "line"
    repairs: list[Repair] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def repair(self, code: str, lines: Sequence[int] | npt.NDArray[np.uint32], what: str, example: str | None = None) -> None:
        """Lists the rows on `lines` under `code`, nothing when there are none. `example`: what stands on the first of them."""
        repair = self.listed(code, len(lines), first(lines), what, example)
        if repair is not None:
            self.repairs.append(repair)

    def listed(
        self, code: str, count: int, lines: Sequence[int], what: str, example: str | None = None, noun: str = "row"
    ) -> Repair | None:
        """As a repair that is not one yet: `lines` are the first ones, in order. None when there are none."""
        if not count:
            return None
        shown = f": {quoted(example)}" if example is not None else ""
        message = f"{counted(count, 'row')} {what}, e.g. {self.unit} {lines[0]}{shown}"
        return Repair(code=code, count=count, lines=tuple(lines), message=clip(message))

    def note(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES:
            self.notes.append(clip(text))

    def at(self, line: object) -> str:
        return f"{self.unit} {line}"


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
