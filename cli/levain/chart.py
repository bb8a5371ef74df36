"""A forecast drawn with letters: the last weeks, then the days to come with their interval. Pure."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

HEIGHT = 10
COLUMN = 2  # letters a day
_MARGIN = 9


class Day(NamedTuple):
    """`value` is None for a day without sales; `lo` and `hi` are there for days to come."""

    day: date
    value: float | None
    lo: float | None = None
    hi: float | None = None


class Marks(NamedTuple):
    past: str
    mean: str
    interval: str
    axis: str
    corner: str
    floor: str


UNICODE = Marks("●", "◆", "░", "│", "└", "─")
ASCII = Marks("o", "#", ":", "|", "+", "-")


def room(width: int) -> int:
    """How many days can be drawn side by side."""
    return max(7, (width - _MARGIN) // COLUMN)


def draw(days: Sequence[Day], marks: Marks, *, height: int = HEIGHT) -> list[str]:
    """Lines of equal meaning from top to bottom: the scale, the drawing, a rule, the weekdays, the first and last date."""
    top = max([*(d.value for d in days if d.value is not None), *(d.hi for d in days if d.hi is not None), 1.0])
    rows = [[_mark(day, row, top, height, marks) for day in days] for row in range(height, -1, -1)]
    labels = {height: top, height // 2: top * (height // 2) / height, 0: 0.0}
    lines = []
    for row, cells in zip(range(height, -1, -1), rows, strict=True):
        label = f"{labels[row]:7.0f}" if row in labels else " " * 7
        lines.append(f"{label} {marks.axis}{''.join(c * COLUMN if c == marks.interval else c.ljust(COLUMN) for c in cells)}".rstrip())
    lines.append(" " * 8 + marks.corner + marks.floor * (COLUMN * len(days)))
    lines.append(" " * 9 + "".join("MTWTFSS"[d.day.weekday()].ljust(COLUMN) for d in days).rstrip())
    if days:
        lines.append(" " * 9 + f"{days[0].day}".ljust(max(12, COLUMN * len(days) - 10)) + f"{days[-1].day}")
    return lines


def legend(marks: Marks) -> str:
    return f"{marks.past} sold   {marks.mean} forecast   {marks.interval} 80 % interval"


def _mark(day: Day, row: int, top: float, height: int, marks: Marks) -> str:
    if day.value is not None and _row(day.value, top, height) == row:
        return marks.past if day.hi is None else marks.mean
    if day.lo is not None and day.hi is not None and _row(day.lo, top, height) <= row <= _row(day.hi, top, height):
        return marks.interval
    return " "


def _row(value: float, top: float, height: int) -> int:
    return min(height, max(0, round(value / top * height)))
