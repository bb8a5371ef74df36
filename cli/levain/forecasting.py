"""`levain forecast` and the demo's drawing: a product by its name or id -> its days to come, drawn and in numbers."""

import csv
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from levain import chart
from levain.chart import Day
from levain.client import Api
from levain.errors import BadInput
from levain.formatting import duration, percent, plural, series_name
from levain.levels import Levels
from levain.output import Output
from levain.summary import ForecastDay
from levain_contracts.ids import is_id
from levain_contracts.quantities import quantities_for
from levain_contracts.resources import ProductForecast

HISTORY_DAYS = 28
_MAX_NAMED = 5


async def show_forecast(api: Api, product: str, shop: str | None, out: Output, levels: Levels | None = None) -> None:
    """Raises `BadInput` when there is no such forecast, more than one of that name, or `levels` that say nothing of it."""
    found = await api.forecast(await _product_id(api, product, shop))
    out.line(f"{series_name(found.product, found.shop)}, trained {duration(found.age_seconds)} ago by {found.job_id}")
    days, quantities = _days(found), _quantities(found, levels, out)
    for line in drawing(days, out):
        out.line(line)
    for day, quantity in zip(days, quantities, strict=True):
        bake = "" if quantity is None else f"  bake {quantity:.1f}"
        out.line(f"{day.day:%a} {day.day}  {day.value:9.1f}  {f'{day.lo:9.1f} to {day.hi:.1f}':<22}{bake}".rstrip())


def _quantities(found: ProductForecast, levels: Levels | None, out: Output) -> Sequence[float | None]:
    if levels is None:
        return [None] * len(found.forecast.mean)
    level = levels.of(found.shop, found.product)
    if level is None:
        raise BadInput(f"--prices has no line for {series_name(found.product, found.shop)!r}")
    out.line(f"bake: enough for the day's demand with a probability of {percent(level)}, not rounded")
    return quantities_for(found.forecast, level)


async def _product_id(api: Api, product: str, shop: str | None) -> str:
    sources = [s for s in await api.forecast_sources(product) if shop is None or s.shop == shop]
    if len(sources) == 1:
        return sources[0].product_id
    if sources:
        shops = ", ".join(sorted(str(s.shop) for s in sources)[:_MAX_NAMED])
        raise BadInput(f"{product!r} has a forecast in {plural(len(sources), 'shop')} ({shops}): choose one by --shop")
    if shop is None and is_id(product):
        return product
    raise BadInput(f"there is no forecast of {series_name(product, shop)!r}: give the product's name as in the file, or its id")


def _days(found: ProductForecast) -> list[Day]:
    f = found.forecast
    return [Day(f.start + timedelta(i), *values) for i, values in enumerate(zip(f.mean, f.lo80, f.hi80, strict=True))]


def drawing(days: Sequence[Day], out: Output) -> list[str]:
    """As many days, the first ones, as there is room for."""
    marks = chart.UNICODE if out.utf8 else chart.ASCII
    return [*chart.draw(days[: chart.room(out.width)], marks), chart.legend(marks)]


def with_history(sales: dict[date, float], forecast: Sequence[ForecastDay], room: int) -> list[Day]:
    """The last days of `sales` before the forecast, and the forecast: `room` days, but at most `HISTORY_DAYS` of the past."""
    coming = [Day(date.fromisoformat(d.date), d.mean, d.lo80, d.hi80) for d in forecast]
    first = coming[0].day
    past = [first - timedelta(days) for days in range(max(0, min(HISTORY_DAYS, room - len(coming))), 0, -1)]
    return [*(Day(day, sales.get(day)) for day in past), *coming]


def sales_of(product: str, sample: Path) -> dict[date, float]:
    """One product's sales by day from the shipped sample, whose columns are known."""
    with sample.open(encoding="utf-8", newline="") as file:
        return {date.fromisoformat(r["date"]): float(r["quantity"]) for r in csv.DictReader(file) if r["product"] == product}
