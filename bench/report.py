"""A row of the table: two figures of the same run, what their ratio must be, and whether it is."""

import operator
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

_COMPARED = {">=": operator.ge, "<=": operator.le}


class Ratio(NamedTuple):
    """`ours` and `theirs` hold one figure a round. `theirs` empty: `ours` is compared with `must` itself, such as `<= 8`."""

    what: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    must: str

    @property
    def value(self) -> float:
        """The median of the rounds' ratios: the machine's drift is in both sides of a round."""
        return median(self.of_rounds)

    @property
    def of_rounds(self) -> list[float]:
        return [a / b for a, b in zip(self.ours, self.theirs, strict=True)] if self.theirs else list(self.ours)

    @property
    def holds(self) -> bool:
        compared, bound = self.must.split()
        return bool(_COMPARED[compared](self.value, float(bound)))


def show(ratios: Sequence[Ratio]) -> None:
    width = max(len(f"{row.what}, {row.unit}") for row in ratios)
    print(f"\n{'what':<{width}} {'ours':>10} {'peer':>10} {'ratio':>8}  must")
    for row in ratios:
        theirs = f"{median(row.theirs):.4g}" if row.theirs else "-"
        must = f"{row.must}{'' if row.holds else ' FAILS'}"
        spread = f"  (rounds {', '.join(f'{r:.3g}' for r in row.of_rounds)})"
        print(f"{row.what + ', ' + row.unit:<{width}} {median(row.ours):>10.4g} {theirs:>10} {row.value:>8.3g}  {must}{spread}")
