"""The rows that can be used, as numbers, and their order by series and day."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from levain_training.ingest.coded import Codes, Lines, Mask
from levain_training.ingest.names import Key

Days = npt.NDArray[np.int32]  # since 1970-01-01
Units = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Rows:
    """One entry a row each. `series` are positions in `keys`; `units` are NaN where they are unknown; `rest` as in `Table`."""

    lines: Lines
    series: Codes
    days: Days
    units: Units
    rest: npt.NDArray[np.uint64] | None
    keys: list[Key]

    def take(self, chosen: Mask | Positions) -> "Rows":
        return replace(
            self,
            lines=self.lines[chosen],
            series=self.series[chosen],
            days=self.days[chosen],
            units=self.units[chosen],
            rest=None if self.rest is None else self.rest[chosen],
        )


@dataclass(frozen=True)
class Grouped:
    """Rows in the order of series, day and line. `starts`: where each pair of series and day begins; None where each has one row."""

    rows: Rows
    starts: Positions | None

    def sizes(self, starts: Positions) -> Positions:
        return np.diff(starts, append=len(self.rows.lines))


def grouped(rows: Rows) -> Grouped:
    """`rows` are in the order of their lines, over at most 65,536 days: numbers of 16 bits are sorted in linear time."""
    order: Positions | None = None
    since = (rows.days - rows.days.min(initial=0 if not len(rows.days) else int(rows.days[0]))).astype(np.uint16)
    low = rows.series.astype(np.uint16)
    digits = [since, low]
    if len(rows.keys) > 2**16:
        digits.append((rows.series >> 16).astype(np.uint16))
    for digit in digits:
        following = digit if order is None else digit[order]
        if np.any(following[1:] < following[:-1]):
            step = np.argsort(following, kind="stable")
            order = step if order is None else order[step]
    return of_sorted(rows if order is None else rows.take(order))


def of_sorted(rows: Rows) -> Grouped:
    begins = np.ones(len(rows.lines), dtype=np.bool_)
    begins[1:] = (rows.series[1:] != rows.series[:-1]) | (rows.days[1:] != rows.days[:-1])
    return Grouped(rows, None if begins.all() else np.flatnonzero(begins))
