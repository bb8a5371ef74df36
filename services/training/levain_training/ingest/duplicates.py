"""Several rows of one product and day: copies of a row are left out, the lines of tickets are added up."""

import numpy as np
import polars as pl

from levain_training.ingest.findings import Findings, counted
from levain_training.ingest.rows import Grouped, Positions, of_sorted

_TICKET_SHARE = 0.05  # of the days of products that have several rows
_TICKET_CROWDED_SHARE = 0.10  # of those, that have three rows or more: a file that was appended twice has two


def settle(found: Grouped, findings: Findings, *, times_vary: bool) -> Grouped:
    """Leaves rows that may be added up by shop, product and day."""
    if found.starts is None:
        return found
    sizes = found.sizes(found.starts)
    repeated = sizes[sizes > 1]
    if times_vary or _are_tickets(repeated, len(sizes)):
        added = counted(int(repeated.sum()), "row")
        findings.note(f"{added} are lines of tickets: those of one product and day are added up, none is taken for a copy")
        return found
    copies = _copies(found, sizes)
    findings.repair("duplicate_row", found.rows.lines[copies], "left out: a copy of a row above it")
    if copies.any():
        found = of_sorted(found.rows.take(~copies))
    if found.starts is not None:
        several = np.ones(len(found.rows.lines), dtype=np.bool_)
        several[found.starts] = False
        findings.repair("several_rows_per_day", found.rows.lines[several], "added to another row of the same product and day")
    return found


def _are_tickets(repeated: Positions, keys: int) -> bool:
    if len(repeated) < _TICKET_SHARE * keys or (repeated == repeated[0]).all():
        return False
    return int(np.count_nonzero(repeated > 2)) >= _TICKET_CROWDED_SHARE * len(repeated)


def _copies(found: Grouped, sizes: Positions) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Of the rows of one key, those equal to an earlier one in units and all other columns."""
    rows, shared = found.rows, np.repeat(sizes > 1, sizes)
    at = np.flatnonzero(shared)
    columns = {"key": np.repeat(np.arange(len(sizes)), sizes)[at], "units": rows.units[at]}
    if rows.rest is not None:
        columns["rest"] = rows.rest[at]
    first = pl.DataFrame(columns).select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
    copies = np.zeros(len(rows.lines), dtype=np.bool_)
    copies[at[~first]] = True
    return copies
