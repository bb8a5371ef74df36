"""A row of the table: two figures of the same run, and what their ratio must be."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Ratio(NamedTuple):
    """`ours` and `theirs` hold one figure a round. `theirs` empty: `ours` is compared with `must` itself."""

    what: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    must: str

    @property
    def value(self) -> float:
        """The median of the rounds' ratios: the machine's drift is in both sides of a round."""
        return median(a / b for a, b in zip(self.ours, self.theirs, strict=True)) if self.theirs else median(self.ours)


def show(ratios: Sequence[Ratio]) -> None:
    print(f"\n{'what':<58} {'ours':>10} {'peer':>10} {'ratio':>8}  must")
    for row in ratios:
        theirs = f"{median(row.theirs):.4g}" if row.theirs else "-"
        spread = f"  (rounds {', '.join(f'{r:.3g}' for r in _rounds(row))})"
        print(f"{row.what + ', ' + row.unit:<58} {median(row.ours):>10.4g} {theirs:>10} {row.value:>8.3g}  {row.must}{spread}")


def _rounds(row: Ratio) -> list[float]:
    return [a / b for a, b in zip(row.ours, row.theirs, strict=True)] if row.theirs else list(row.ours)
