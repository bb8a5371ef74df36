"""Numbers, durations and reports as a person reads them. Pure."""

from levain_contracts.report import DataReport, Repair, Skipped
from levain_contracts.viewer import Failure, ViewerState

MAX_NAME_CHARS = 40


def duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f} %"


def rate(per_second: float | None) -> str:
    if per_second is None:
        return "-"
    return f"{per_second:.1f}/s" if per_second < 100 else f"{per_second:,.0f}/s"


def shorten(name: str, limit: int = MAX_NAME_CHARS) -> str:
    return name if len(name) <= limit else name[: limit - 3] + "..."


def series_name(product: str, shop: str | None) -> str:
    return product if shop is None else f"{product} ({shop})"


def counts(state: ViewerState) -> str:
    """`12/30 products, 1 failed`."""
    total = "?" if state.total_products is None else f"{state.total_products:,}"
    failed = f", {state.products_failed:,} failed" if state.products_failed else ""
    return f"{state.products_completed:,}/{total} products{failed}"


def failure_line(failure: Failure) -> str:
    text = f": {failure.message}" if failure.message else ""
    return f"{series_name(failure.product, failure.shop)}: {failure.reason}{text}"


def report_lines(report: DataReport) -> list[str]:
    """What the analysis understood of the file, what it repaired and what it left out: one line each."""
    span = f", {report.first_date} to {report.last_date}" if report.first_date and report.last_date else ""
    shops = f" in {plural(report.shops, 'shop')}" if report.shops > 1 else ""
    rows = f"{report.rows_used:,} of {report.rows_read:,} rows used"
    head = f"read as {report.format}: {rows}, {plural(report.products, 'product')}{shops}{span}"
    clipped = [f"{report.winsorised.code}: {report.winsorised.message}"] if report.winsorised else []
    notes = (f"note: {note}" for note in report.notes)
    return [head, *map(_repair, report.repairs), *clipped, *map(_skipped, report.skipped), *notes]


def _repair(repair: Repair) -> str:
    lines = ""
    if repair.lines:
        more = ", ..." if repair.count > len(repair.lines) else ""
        lines = f" (line{'s' if len(repair.lines) > 1 else ''} {', '.join(map(str, repair.lines))}{more})"
    return f"repaired: {repair.count:,} x {repair.code}{lines}: {repair.message}"


def _skipped(skipped: Skipped) -> str:
    more = ", ..." if skipped.count > len(skipped.products) else ""
    return f"left out: {plural(skipped.count, 'product')}, {skipped.reason}: {', '.join(map(shorten, skipped.products))}{more}"
