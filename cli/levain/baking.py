"""forecasts.csv -> OUT.csv with how many to bake: a column `quantity`, each product at its own service level."""

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple, TextIO

from levain.client import Api
from levain.errors import CommandFailed
from levain.formatting import plural, series_name
from levain.levels import Levels
from levain_contracts.quantities import quantity_for

_QUANTILES = ("lo80", "q25", "q50", "q75", "hi80")
_DECIMALS = 3
_MAX_NAMED = 3

Series = tuple[str | None, str]  # shop, product


class Added(NamedTuple):
    """`without`: series of the forecast that no level was given for, in order. `unknown`: what levels were given for in vain."""

    without: list[Series]
    unknown: list[Series]

    def lines(self) -> Iterator[str]:
        if self.without:
            yield f"no price for {_named(self.without)}: the quantity stays empty there"
        if self.unknown:
            yield f"prices for {_named(self.unknown)}, of which there is no forecast"


def add_quantity(source: Iterable[str], sink: TextIO, levels: Levels) -> Added:
    """`source`: lines of forecasts.csv with quartiles, which `sink` gets with the column `quantity`; not rounded to whole pieces."""
    reader = csv.DictReader(source)
    names = list(reader.fieldnames or ())
    if not set(_QUANTILES) <= set(names):
        raise CommandFailed("the stack gives no quartiles: it is older than this command, or no forecast is there")
    writer = csv.DictWriter(sink, [*names, "quantity"], lineterminator="\n")
    writer.writeheader()
    level_of: dict[Series, float | None] = {}
    for row in reader:
        series = row.get("shop") or None, row["product"]
        if series not in level_of:
            level_of[series] = levels.of(*series)
        level = level_of[series]
        quantity = "" if level is None else round(quantity_for([float(row[name]) for name in _QUANTILES], level), _DECIMALS)
        writer.writerow({**row, "quantity": quantity})
    used = {*level_of, *((None, product) for _, product in level_of)}
    return Added([s for s, level in level_of.items() if level is None], [s for s in levels.listed if s not in used])


async def save_forecasts(api: Api, job_id: str, sink: BinaryIO, levels: Levels | None) -> list[str]:
    """The job's forecasts as CSV, with the column `quantity` where `levels` are given. Returns what there is to say of it."""
    if levels is None:
        await api.save_forecasts(job_id, sink)
        return []
    with tempfile.TemporaryFile() as whole:
        await api.save_forecasts(job_id, whole, quartiles=True)
        whole.seek(0)
        return list(_rewrite(whole, sink, levels).lines())


def _rewrite(source: BinaryIO, sink: BinaryIO, levels: Levels) -> Added:
    lines, text = (io.TextIOWrapper(file, encoding="utf-8", newline="") for file in (source, sink))
    try:
        return add_quantity(lines, text, levels)
    finally:
        for wrapper in (lines, text):
            wrapper.detach()  # the files are the caller's


def _named(several: list[Series]) -> str:
    first = ", ".join(series_name(product, shop) for shop, product in several[:_MAX_NAMED])
    return f"{plural(len(several), 'product')} ({first}{', ...' if len(several) > _MAX_NAMED else ''})"
