"""After a job's end: the counts, the scores against the naive forecast, the failures, and the demo's table."""

import csv
import io
import statistics
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from levain.client import Api
from levain.formatting import duration, percent, plural, report_lines, series_name, shorten
from levain.output import printable
from levain_contracts.jobs import JobState, ProductState
from levain_contracts.resources import Job, Product

if TYPE_CHECKING:
    from rich.table import Table

MAX_SCORED_PRODUCTS = 5_000
MAX_ROWS = 40


class ForecastDay(NamedTuple):
    date: str
    mean: float
    lo80: float
    hi80: float


Series = tuple[str | None, str]  # shop, product


async def outcome_lines(api: Api, job: Job, *, with_report: bool) -> list[str]:
    """What `train` and `watch` say at the end."""
    lines = report_lines(job.report) if with_report and job.report is not None else []
    lines.append(outcome(job))
    if job.state is JobState.COMPLETED and (job.total_products or 0) <= MAX_SCORED_PRODUCTS:
        lines += score_lines([p async for p in api.products(job.job_id)])
    return lines


def outcome(job: Job) -> str:
    trained, total = job.products_completed - job.products_failed, job.total_products
    took = f" in {duration((job.ended_at - job.created_at).total_seconds())}" if job.ended_at else ""
    done = "" if total is None else f": {trained:,} of {plural(total, 'product')} trained"
    failed = f" ({job.products_failed:,} failed)" if job.products_failed else ""
    why = "" if job.state is JobState.COMPLETED or not job.reason else f" ({job.reason}: {job.message or ''})".replace(": )", ")")
    return f"{job.state.value}{done}{failed}{took}{why}"


def score_lines(products: Iterable[Product]) -> list[str]:
    """The mean error of the products that have both scores, beside that of the naive forecast."""
    pairs = [
        (p.scores.wape, p.scores.naive_wape)
        for p in products
        if p.scores is not None and p.scores.wape is not None and p.scores.naive_wape is not None
    ]
    if not pairs:
        return []
    ours, naive = (statistics.fmean(column) for column in zip(*pairs, strict=True))
    return [f"mean WAPE {percent(ours)}, same as last week {percent(naive)} ({plural(len(pairs), 'product')}, out of sample)"]


def read_forecasts(text: str) -> dict[Series, list[ForecastDay]]:
    """The days of each series in forecasts.csv, in order."""
    series: dict[Series, list[ForecastDay]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        day = ForecastDay(row["date"], float(row["mean"]), float(row["lo80"]), float(row["hi80"]))
        series.setdefault((row.get("shop"), row["product"]), []).append(day)
    return series


def table(products: Iterable[Product], forecasts: Mapping[Series, list[ForecastDay]]) -> "Table":
    """One row a product, the best-selling first, those that failed at the end with their reason."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table(show_edge=False, pad_edge=False)
    drawn.add_column("product", no_wrap=True, overflow="ellipsis")
    for heading in ("units/day", "WAPE", "last week's"):
        drawn.add_column(heading, justify="right", no_wrap=True)
    drawn.add_column("failed", overflow="fold")
    rows = sorted(products, key=lambda p: _rank(p, forecasts))
    for product in rows[:MAX_ROWS]:
        drawn.add_row(*(Text(printable(cell)) for cell in _cells(product, forecasts)))
    if len(rows) > MAX_ROWS:
        drawn.caption = Text(f"and {plural(len(rows) - MAX_ROWS, 'more product')}")
    return drawn


def best_seller(forecasts: Mapping[Series, list[ForecastDay]]) -> Series | None:
    return max(forecasts, key=lambda series: mean_units(forecasts[series]), default=None)


def mean_units(days: list[ForecastDay]) -> float:
    return statistics.fmean(day.mean for day in days)


def _rank(product: Product, forecasts: Mapping[Series, list[ForecastDay]]) -> tuple[bool, float, str]:
    days = forecasts.get((product.shop, product.product))
    return product.status is ProductState.FAILED, -mean_units(days) if days else 0.0, product.product


def _cells(product: Product, forecasts: Mapping[Series, list[ForecastDay]]) -> list[str]:
    name, days, scores = shorten(series_name(product.product, product.shop)), forecasts.get((product.shop, product.product)), product.scores
    units = f"{mean_units(days):,.1f}" if days else "-"
    ours, naive = (scores.wape, scores.naive_wape) if scores else (None, None)
    return [name, units, percent(ours), percent(naive), product.reason or "" if product.status is ProductState.FAILED else ""]
