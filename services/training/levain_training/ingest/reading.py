"""The public door: a bakery's sales file → daily series, calendars and a report of what was understood and repaired."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from levain_contracts.model import clip
from levain_contracts.reading import ReadingOptions
from levain_contracts.report import MAX_LINES, DataReport, Skipped
from levain_contracts.tasks import Series, ShopCalendar
from levain_training.ingest import daily, dates, duplicates, names, numbers, parquet, sniff, span
from levain_training.ingest.findings import Findings, quoted
from levain_training.ingest.refusals import DataRefused
from levain_training.ingest.series import SkippedSeries, build, calendar, day_of
from levain_training.ingest.table import Table, read_text

_MAX_LISTED_UNKNOWN = 5


@dataclass(frozen=True)
class Sales:
    """Series and skipped ones in the order of shop and product. `forecast_start` is the day after the file's last sale."""

    series: list[Series]
    calendars: list[ShopCalendar]
    skipped: list[SkippedSeries]
    report: DataReport
    forecast_start: date


def read_sales(path: Path, options: ReadingOptions) -> Sales:
    """Raises DataRefused (docs/data.md lists the codes), and OSError when the file can't be opened."""
    findings = Findings()
    table = _table(path, options, findings)
    rows = names.read(table.rows, findings)
    dated = dates.read(rows, options.date_format, findings)
    counted = numbers.read(dated.rows, options.decimal, findings)
    if counted.rows.is_empty():
        _refuse_empty(findings)
    rows = span.check(counted.rows, findings)
    rows = duplicates.settle(rows, findings, times_vary=dated.times_vary)
    label = ", ".join(part for part in (table.format, dated.format, *counted.formats) if part)
    return _sales(rows, replace(table, format=label), findings)


def _table(path: Path, options: ReadingOptions, findings: Findings) -> Table:
    if path.stat().st_size > sniff.MAX_FILE_BYTES:
        raise DataRefused("file_too_large", f"the file has more than {sniff.MAX_FILE_BYTES:,} bytes: split it by shop")
    with path.open("rb") as file:
        if file.read(len(sniff.PARQUET_MAGIC)) == sniff.PARQUET_MAGIC:
            return parquet.read(path, options, findings)
    decoded = sniff.decode(path.read_bytes())
    if decoded.encoding != "UTF-8":
        findings.note(f"the text is read as {decoded.encoding}")
    return read_text(decoded.text, options, findings)


def _refuse_empty(findings: Findings) -> None:
    first = f"; {findings.repairs[0].message}" if findings.repairs else ""
    raise DataRefused("no_usable_rows", f"no row of the file can be used{first}")


def _sales(rows: pl.DataFrame, table: Table, findings: Findings) -> Sales:
    products = daily.add_up(rows, findings)
    shops = daily.shop_days(rows)
    sold = [int(shop.opened[-1]) for shop in shops.values() if shop.opened.size]
    last = max(sold) if sold else max(int(product.days[-1]) for product in products)
    built = [build(product, shops[product.shop], last) for product in products]
    series = [one for one in built if isinstance(one, Series)]
    skipped = [one for one in built if isinstance(one, SkippedSeries)]
    first = min((int(shop.opened[0]) for shop in shops.values() if shop.opened.size), default=None)
    _note_future(rows, day_of(last), findings)
    report = DataReport(
        format=clip(table.format, 200),
        columns={role: clip(name, 200) for role, name in table.columns.items()},
        rows_read=table.rows_read,
        rows_used=rows.filter(pl.col("units").is_not_null()).height,
        products=len(built),
        shops=len(shops),
        first_date=day_of(first) if first is not None else None,
        last_date=day_of(last) if sold else None,
        repairs=tuple(findings.repairs),
        skipped=_skipped(skipped),
        notes=tuple(findings.notes),
    )
    kept = {one.shop for one in series}
    calendars = [calendar(shop) for shop in shops.values() if shop.shop in kept]
    return Sales(series, calendars, skipped, report, day_of(last) + timedelta(days=1))


def _note_future(rows: pl.DataFrame, last: date, findings: Findings) -> None:
    later = rows.filter(pl.col("day") > last).height
    if later:
        findings.note(f"{later:,} rows after the last sale on {last} are of no use: nothing was sold on them")


def _skipped(series: Sequence[SkippedSeries]) -> tuple[Skipped, ...]:
    return tuple(
        Skipped(reason=reason, count=count, products=tuple(_names(series, reason)[:MAX_LINES]))
        for reason, count in sorted(Counter(one.reason for one in series).items())
    )


def _names(series: Sequence[SkippedSeries], reason: str) -> list[str]:
    return list(dict.fromkeys(one.product for one in series if one.reason == reason))


def select(sales: Sales, wanted: Sequence[str] | None) -> Sales:
    """Only the products named, by name (in every shop) or by product id; None means all. Raises DataRefused `unknown_products`."""
    if wanted is None:
        return sales
    names = {name.strip() for name in wanted}
    known = {key for one in sales.series for key in (one.product, one.product_id)}
    known |= {key for one in sales.skipped for key in (one.product, one.product_id)}
    unknown = sorted(names - known)
    if unknown or not names:
        listed = ", ".join(quoted(name) for name in unknown[:_MAX_LISTED_UNKNOWN]) or "none is named"
        more = f" and {len(unknown) - _MAX_LISTED_UNKNOWN} more" if len(unknown) > _MAX_LISTED_UNKNOWN else ""
        raise DataRefused("unknown_products", f"the file has no such product: {listed}{more}; name products as the file spells them")
    series = [one for one in sales.series if one.product in names or one.product_id in names]
    skipped = [one for one in sales.skipped if one.product in names or one.product_id in names]
    shops = {one.shop for one in series}
    report = sales.report.model_copy(
        update={
            "products": len(series) + len(skipped),
            "shops": len(shops | {one.shop for one in skipped}),
            "skipped": _skipped(skipped),
        }
    )
    calendars = [one for one in sales.calendars if one.shop in shops]
    return Sales(series, calendars, skipped, report, sales.forecast_start)
