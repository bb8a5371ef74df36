"""The public door: a bakery's sales file → daily series, calendars and a report of what was understood and repaired."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from levain_contracts.model import clip
from levain_contracts.reading import ReadingOptions
from levain_contracts.report import MAX_LINES, DataReport, Skipped
from levain_contracts.tasks import Series, ShopCalendar
from levain_training.ingest import columns, daily, dates, duplicates, names, numbers, parquet, sniff, span
from levain_training.ingest.calendars import Calendars, Surroundings
from levain_training.ingest.findings import Findings, quoted
from levain_training.ingest.oddities import outlier_days
from levain_training.ingest.refusals import DataRefused
from levain_training.ingest.rows import Grouped, Rows, grouped
from levain_training.ingest.series import DailySeries, Shelf, SkippedSeries, day_of
from levain_training.ingest.table import Table
from levain_training.ingest.text import read_text

_MAX_LISTED_UNKNOWN = 5


@dataclass(frozen=True)
class Sales:
    """Series and skipped ones in the order of shop and product. `forecast_start` is the day after the file's last sale."""

    daily: list[DailySeries]
    calendars: list[ShopCalendar]
    skipped: list[SkippedSeries]
    report: DataReport
    forecast_start: date

    @cached_property
    def series(self) -> list[Series]:
        return [one.series() for one in self.daily]


def read_sales(path: Path, options: ReadingOptions, around: Surroundings = Surroundings()) -> Sales:
    """Raises DataRefused (docs/data.md lists the codes), and OSError when the file can't be opened."""
    findings = Findings()
    label, found = _grouped(path, options, findings)
    return _sales(found, label, around, findings)


class _Label(NamedTuple):
    """What the report says of a file's form."""

    rows_read: int
    format: str
    columns: dict[str, str]


def _grouped(path: Path, options: ReadingOptions, findings: Findings) -> tuple[_Label, Grouped]:
    rows, label, times_vary = _rows(path, options, findings)
    return label, duplicates.settle(grouped(span.check(rows, findings)), findings, times_vary=times_vary)


def _rows(path: Path, options: ReadingOptions, findings: Findings) -> tuple[Rows, _Label, bool]:
    named = names.read(_table(path, options, findings), findings)
    table, series = named.table, named.series
    dated = dates.read(table.date, table.lines, options, findings)
    if dated.kept is not None:
        table, series = table.where(dated.kept), series[dated.kept]
    if table.quantity is None:
        if not dated.times_vary:
            raise columns.missing("quantity", None, table.header)
        findings.note("there is no quantity column: each row is one unit sold")
    counted = numbers.read(table, options.decimal, findings)
    if not len(table.lines):
        _refuse_empty(findings)
    label = ", ".join(part for part in (table.format, dated.format, *counted.formats) if part)
    rows = Rows(table.lines, series, dated.days, counted.units, table.rest, named.keys)
    return rows, _Label(table.rows_read, label, table.columns), dated.times_vary


def _table(path: Path, options: ReadingOptions, findings: Findings) -> Table:
    if path.stat().st_size > sniff.MAX_FILE_BYTES:
        raise DataRefused("file_too_large", f"the file has more than {sniff.MAX_FILE_BYTES:,} bytes: split it by shop")
    with path.open("rb") as file:
        if file.read(len(sniff.PARQUET_MAGIC)) == sniff.PARQUET_MAGIC:
            return parquet.read(path, options, findings)
    encoded = sniff.look(path)
    if encoded.name != "UTF-8":
        findings.note(f"the text is read as {encoded.name}")
    return read_text(encoded, options, findings)


def _refuse_empty(findings: Findings) -> None:
    first = f"; {findings.repairs[0].message}" if findings.repairs else ""
    raise DataRefused("no_usable_rows", f"no row of the file can be used{first}")


def _sales(found: Grouped, label: _Label, around: Surroundings, findings: Findings) -> Sales:
    sold = daily.add_up(found, findings)
    opened = [shop.opened for shop in sold.shops.values() if shop.opened.size]
    last = int(max(days[-1] for days in opened)) if opened else int(found.rows.days.max())
    first = int(min(days[0] for days in opened)) if opened else last
    calendars = Calendars(around, findings)
    shops = calendars.apply(sold.shops, last)
    shelves = {name: Shelf(shop, last) for name, shop in shops.items()}
    built = [shelves[product.shop].build(product) for product in sold.products]
    series = [one for one in built if isinstance(one, DailySeries)]
    skipped = [one for one in built if isinstance(one, SkippedSeries)]
    _note_future(found.rows, last, findings)
    kept = {one.shop for one in series}
    of_shops = calendars.of([shop for shop in shops.values() if shop.shop in kept], first, last)
    report = DataReport(
        format=clip(label.format, 200),
        columns={role: clip(name, 200) for role, name in label.columns.items()},
        rows_read=label.rows_read,
        rows_used=int(np.count_nonzero(~np.isnan(found.rows.units))),
        products=len(built),
        shops=len(shops),
        first_date=day_of(first) if opened else None,
        last_date=day_of(last) if opened else None,
        repairs=tuple(findings.repairs),
        winsorised=outlier_days(series, of_shops, found, findings),
        skipped=_skipped(skipped),
        notes=tuple(findings.notes),
    )
    return Sales(series, of_shops, skipped, report, day_of(last + 1))


def _note_future(rows: Rows, last: int, findings: Findings) -> None:
    later = int(np.count_nonzero(rows.days > last))
    if later:
        findings.note(f"{later:,} rows after the last sale on {day_of(last)} are of no use: nothing was sold on them")


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
    known = {key for one in sales.daily for key in (one.product, one.product_id)}
    known |= {key for one in sales.skipped for key in (one.product, one.product_id)}
    unknown = sorted(names - known)
    if unknown or not names:
        listed = ", ".join(quoted(name) for name in unknown[:_MAX_LISTED_UNKNOWN]) or "none is named"
        more = f" and {len(unknown) - _MAX_LISTED_UNKNOWN} more" if len(unknown) > _MAX_LISTED_UNKNOWN else ""
        raise DataRefused("unknown_products", f"the file has no such product: {listed}{more}; name products as the file spells them")
    series = [one for one in sales.daily if one.product in names or one.product_id in names]
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
