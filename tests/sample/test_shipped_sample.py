import runpy
from pathlib import Path

from levain_contracts.reading import ReadingOptions
from levain_training.ingest import read_sales

SAMPLE = Path(__file__).parents[2] / "cli" / "levain" / "sample"


def test_the_script_makes_the_shipped_file_byte_for_byte() -> None:
    made: str = runpy.run_path(str(SAMPLE / "make_sample.py"))["sample"]()
    assert made.encode() == (SAMPLE / "bakery.csv").read_bytes()


def test_the_sample_reads_without_a_repair_and_shows_every_kind_of_product() -> None:
    sales = read_sales(SAMPLE / "bakery.csv", ReadingOptions())
    assert sales.report.repairs == ()
    assert sales.report.notes == ()
    assert len(sales.series) == 30
    assert [(one.product, one.reason) for one in sales.skipped] == [("Panettone", "too_little_history")]
    assert str(sales.forecast_start) == "2025-12-29"
    assert (SAMPLE / "bakery.csv").stat().st_size < 700_000


def test_the_sample_shop_rests_on_mondays_and_holidays() -> None:
    (calendar,) = read_sales(SAMPLE / "bakery.csv", ReadingOptions()).calendars
    closed = {str(day) for day in calendar.closed}
    assert {"2024-12-25", "2025-01-01", "2025-04-20", "2024-03-31"} <= closed
    assert sum(day.weekday() == 0 for day in calendar.closed) == 103
