"""Times of a day: ticket lines, the tenant's time zone, and the hour at which a business day begins."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.test_ingest_parquet import parquet

from levain_contracts.reading import ReadingOptions
from levain_training.ingest.coded import coded
from levain_training.ingest.dates import read
from levain_training.ingest.findings import Findings

PARIS = ZoneInfo("Europe/Paris")
SPAN = (datetime.fromisoformat("1995-01-01"), datetime.fromisoformat("2090-01-01"))


def tickets(base: Any, stamp: Any, head: str = "date,product") -> str:
    """Each unit is a line; the last of a day is sold at half past one in the night after it."""
    lines = [head]
    for day, name, sold in base.rows:
        for i in range(sold):
            local = datetime.combine(day, time(7, i)) if i + 1 < sold else datetime.combine(day + timedelta(days=1), time(1, 30))
            lines.append(f"{stamp(local)},{name}")
    return "\n".join(lines) + "\n"


def test_ticket_lines_without_a_quantity_count_one_each(base: Any) -> None:
    sales = base.read(tickets(base, lambda at: f"{at:%Y-%m-%d %H:%M}"), cut_over_hour=4)
    assert sales.series == base.twin().series
    assert sales.report.repairs == ()
    assert "there is no quantity column: each row is one unit sold" in sales.report.notes
    assert "sales before 4:00 count for the day before" in sales.report.notes


@pytest.mark.parametrize("stamp", ["%d/%m/%Y %H:%M:%S", "%Y-%m-%dT%H:%M", "%m/%d/%Y %I:%M %p", "%Y%m%d %H:%M"])
def test_the_day_begins_at_the_cut_over_hour_however_times_are_written(base: Any, stamp: str) -> None:
    text = tickets(base, lambda at: at.strftime(stamp))
    assert base.read(text, cut_over_hour=4).series == base.twin().series
    assert base.read(text, cut_over_hour=4, date_format=stamp).series == base.twin().series
    assert base.read(text).series != base.twin().series


@pytest.mark.parametrize("end", ["Z", "+00:00", "+0000"])
def test_times_in_utc_belong_to_the_tenants_day(base: Any, end: str) -> None:
    def stamp(local: datetime) -> str:
        return f"{local.replace(tzinfo=PARIS).astimezone(UTC):%Y-%m-%dT%H:%M:%S}{end}"

    sales = base.read(tickets(base, stamp), time_zone="Europe/Paris", cut_over_hour=4)
    assert sales.series == base.twin().series
    assert "times with an offset are converted to Europe/Paris" in sales.report.notes


def test_a_column_of_days_is_no_column_of_tickets(base: Any) -> None:
    error = base.refused(base.csv(head="date,product", line=lambda d, p, q: f"{d},{p}"))
    assert (error.code, "columns.quantity" in error.message) == ("missing_column", True)


def test_an_unknown_time_zone_is_refused_with_what_is_near(base: Any) -> None:
    error = base.refused(base.csv(), time_zone="Europe/Pariss")
    assert (error.code, "Europe/Paris" in error.message) == ("unknown_time_zone", True)


@settings(max_examples=200, deadline=None)
@given(
    moment=st.datetimes(*SPAN).map(lambda at: at.replace(second=0, microsecond=0)),
    offset=st.integers(-14 * 4, 14 * 4).map(lambda quarters: timedelta(minutes=15 * quarters)),
    hour=st.integers(0, 12),
    zone=st.sampled_from(["Europe/Paris", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu", "UTC"]),
)
def test_the_business_day_is_that_of_the_local_clock(moment: datetime, offset: timedelta, hour: int, zone: str) -> None:
    sign = "-" if offset < timedelta(0) else "+"
    minutes = abs(offset) // timedelta(minutes=1)
    text = f"{moment:%Y-%m-%d %H:%M}{sign}{minutes // 60:02}:{minutes % 60:02}"
    options = ReadingOptions(time_zone=zone, cut_over_hour=hour)
    dated = read(coded(pl.Series([text])), np.array([2], dtype=np.uint32), options, Findings())
    local = (moment - offset).replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert date(1970, 1, 1) + timedelta(days=int(dated.days[0])) == (local - timedelta(hours=hour)).date()


def test_timestamps_of_a_parquet_file_are_converted_too(base: Any) -> None:
    nights = [datetime.combine(row[0] + timedelta(days=1), time(1, 30), PARIS) for row in base.rows]
    stored = pa.array([at.astimezone(UTC) for at in nights], pa.timestamp("us", "UTC"))
    sales = base.read(parquet(base, date=stored), time_zone="Europe/Paris", cut_over_hour=4)
    assert sales.series == base.twin().series
