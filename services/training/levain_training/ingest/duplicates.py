"""Several rows of one product and day: copies of a row are left out, the lines of tickets are added up."""

import polars as pl

from levain_training.ingest.findings import Findings, counted

_KEY = ("series", "day")
_TICKET_SHARE = 0.05  # of the days of products that have several rows
_TICKET_CROWDED_SHARE = 0.10  # of those, that have three rows or more: a file that was appended twice has two


def settle(rows: pl.DataFrame, findings: Findings, *, times_vary: bool) -> pl.DataFrame:
    """Leaves rows that may be added up by shop, product and day."""
    keys = rows.group_by(_KEY).agg(pl.len().alias("copies"))
    if keys.height == rows.height:
        return rows
    repeated = keys.filter(pl.col("copies") > 1)
    if times_vary or _are_tickets(repeated, keys.height):
        added = counted(int(repeated["copies"].sum()), "row")
        findings.note(f"{added} are lines of tickets: those of one product and day are added up, none is taken for a copy")
        return rows
    copy = pl.struct(*_KEY, "units", "rest").is_first_distinct()
    rows = rows.sort("line").with_columns(first=copy)
    findings.repair("duplicate_row", rows.filter(~pl.col("first")), "left out: a copy of a row above it")
    rows = rows.filter("first").drop("first")
    several = rows.filter(~pl.struct(*_KEY).is_first_distinct())
    findings.repair("several_rows_per_day", several, "added to another row of the same product and day")
    return rows


def _are_tickets(repeated: pl.DataFrame, keys: int) -> bool:
    if repeated.height < _TICKET_SHARE * keys or repeated["copies"].n_unique() == 1:
        return False
    return repeated.filter(pl.col("copies") > 2).height >= _TICKET_CROWDED_SHARE * repeated.height
