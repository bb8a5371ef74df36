import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levain_contracts.reading import ReadingOptions
from levain_training.ingest import DataRefused, Sales, Surroundings, calendarfile, read_sales

CLOSED = date(2023, 7, 19)  # a day without sales in the tests below
AHEAD = date(2024, 2, 7)  # the third day of the forecast


def read(
    base: Any, calendar: str | None = None, rows: Any = None, horizon: int = 14, head: str = "date,product,quantity", **place: Any
) -> Sales:
    base.path.write_text(base.csv(rows, head=head))
    path = None
    if calendar is not None:
        path = base.path.with_name("calendar")
        path.write_text(calendar)
    return read_sales(base.path, ReadingOptions(), Surroundings(horizon, calendar=path, **place))


def refused(base: Any, calendar: str | None = None, **place: Any) -> DataRefused:
    with pytest.raises(DataRefused) as caught:
        read(base, calendar, **place)
    assert "\n" not in caught.value.message
    return caught.value


def without(base: Any, *days: date) -> list[Any]:
    return [row for row in base.rows if row[0] not in days]


def test_without_a_calendar_nothing_is_given(base: Any) -> None:
    (calendar,) = read(base).calendars
    assert (calendar.given_closed, calendar.given_open, calendar.holidays) == ([], [], [])


def test_given_days_to_come_are_handed_on(base: Any) -> None:
    text = f"date,status,label\n{AHEAD},closed,Betriebsferien\n{AHEAD + timedelta(days=1)},open,\n"
    (calendar,) = read(base, text).calendars
    assert calendar.given_closed == [AHEAD]
    assert calendar.given_open == [AHEAD + timedelta(days=1)]
    assert [(day.date, day.label) for day in calendar.holidays] == [(AHEAD, "Betriebsferien")]


def test_a_past_day_that_was_open_without_sales_is_a_real_zero(base: Any) -> None:
    rows = without(base, CLOSED)
    learnt = read(base, rows=rows)
    given = read(base, f"date,status\n{CLOSED},open\n", rows=rows)
    at = (CLOSED - base.days[0]).days
    assert (learnt.calendars[0].closed, given.calendars[0].closed) == ([CLOSED], [])
    assert (learnt.series[0].values[at], given.series[0].values[at]) == (None, 0.0)


def test_sales_on_a_day_that_is_given_as_closed_win_and_are_noted(base: Any) -> None:
    sales = read(base, f"date,status\n{CLOSED},closed\n{AHEAD},closed\n")
    assert sales.series == base.twin().series
    assert sales.calendars[0].given_closed == [AHEAD]
    assert sales.report.notes == (f"the calendar says closed on 1 day with sales, e.g. {CLOSED}: the sales count",)


def test_what_is_said_of_a_shop_wins_over_what_is_said_of_all(base: Any) -> None:
    rows = [(day, f"{name},{shop}", sold) for day, name, sold in base.rows for shop in ("Nord", "Sued")]
    text = f"date,status,shop\n{AHEAD},closed,\n{AHEAD},open,Sued\n{AHEAD},closed,West\n"
    sales = read(base, text, rows, head="date,product,shop,quantity")
    assert [(one.shop, one.given_closed, one.given_open) for one in sales.calendars] == [("Nord", [AHEAD], []), ("Sued", [], [AHEAD])]
    assert "the calendar names shops without sales: West" in sales.report.notes


def test_public_holidays_reach_from_the_first_day_to_the_end_of_the_horizon(base: Any) -> None:
    sales = read(base, horizon=90, country="DE", subdivision="BY")
    days = sales.calendars[0].holidays
    assert days == sorted(days, key=lambda day: (day.date, day.label))
    assert {date(2023, 1, 1), date(2023, 1, 6), date(2023, 12, 25), date(2024, 4, 1), date(2024, 5, 1)} <= {day.date for day in days}
    assert max(day.date for day in days) < base.days[-1] + timedelta(days=91)
    assert date(2023, 1, 6) not in {day.date for day in read(base, country="DE", subdivision="BE").calendars[0].holidays}
    assert any("public holidays of DE-BY" in note for note in sales.report.notes)


def test_a_labelled_day_needs_no_status_and_does_not_hide_a_public_holiday(base: Any) -> None:
    sales = read(base, "date;label;status\n25/12/2023;Weihnachtsmarkt;\n05/06/2023;Stadtfest;\n", country="DE")
    labels = [day.label for day in sales.calendars[0].holidays if day.date == date(2023, 12, 25)]
    assert len(labels) == 2
    assert "Weihnachtsmarkt" in labels


@pytest.mark.parametrize(
    ("place", "code", "near"),
    [
        ({"country": "XX"}, "unknown_country", "AE"),
        ({"country": "DE", "subdivision": "BX"}, "unknown_subdivision", "BY"),
        ({"country": "DE", "subdivision": "bayern"}, "unknown_subdivision", "BY"),
    ],
)
def test_an_unknown_place_is_refused_with_those_there_are(base: Any, place: dict[str, str], code: str, near: str) -> None:
    error = refused(base, **place)
    assert (error.code, near in error.message) == (code, True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("date,status\n2024-02-07,maybe\n", "'maybe' on line 2: write open or closed"),
        ("date,status,label\n2024-02-07,,\n", "status '' on line 2: write open or closed"),
        ("date,status\n2024-02-07,open\n2024-02-07,closed\n", "lines 2 and 3"),
        ("date,status\n2024-02-07,open\nsoon,closed\n", "line 3: 'soon'"),
        ("date,status\n01/02/2024,open\n02/01/2024,closed\n", "01/02/2024"),
        ("date,status\n2024-02-07\n", "line 2"),
        ("date,product\n2024-02-07,x\n", "no status column"),
        ("", "empty"),
        ("PAR1", "Parquet"),
        ('date,status\n2024-02-07,"open\n', "line 2"),
    ],
)
def test_a_calendar_that_can_not_be_read_is_refused_with_its_line(base: Any, text: str, told: str) -> None:
    error = refused(base, text)
    assert error.code == "bad_calendar"
    assert error.message.startswith("calendar: ")
    assert told in error.message


def test_a_calendar_of_a_header_alone_says_nothing(base: Any) -> None:
    assert read(base, "date,status\n").series == base.twin().series


@pytest.mark.parametrize(
    ("head", "closed"), [("Datum;Status;Grund", "geschlossen"), ("jour;statut;motif", "Fermé"), ("fecha;estado;motivo", "CERRADO")]
)
def test_calendars_in_other_languages_are_read(base: Any, head: str, closed: str) -> None:
    assert read(base, f"sep=;\n{head}\n{AHEAD};{closed};x\n").calendars[0].given_closed == [AHEAD]


def test_a_holiday_explains_an_odd_day(base: Any) -> None:
    rows = [(day, name, sold * 30 if (day, name) == (CLOSED, "Brot") else sold) for day, name, sold in base.rows]
    found = read(base, rows=rows).report.winsorised
    assert found is not None
    assert (found.code, found.count) == ("outlier_day", 1)
    assert found.lines == (1 + 1 + 2 * (CLOSED - base.days[0]).days,)
    assert read(base, f"date,status,label\n{CLOSED},,Fest\n", rows=rows).report.winsorised is None


words = st.sampled_from(["2024-02-07", "07/02/2024", "open", "closed", "zu", "Fest", "", '"', "é", "0", "Nord", "2024-13-40"])
rows = st.lists(st.lists(words, min_size=1, max_size=5).map(",".join), max_size=6).map("\n".join)


@settings(max_examples=200, deadline=None)
@given(head=st.sampled_from(["date,status\n", "date,status,label,shop\n", "Datum;Status\n", ""]), body=rows)
def test_any_calendar_is_read_or_refused_as_a_calendar(head: str, body: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calendar"
        path.write_text(head + body)
        outcome = attempt(path)
    if isinstance(outcome, DataRefused):
        assert (outcome.code, outcome.message.isprintable()) == ("bad_calendar", True)
    else:
        assert all(one.open.isdisjoint(one.closed) for one in outcome.values())


def attempt(path: Path) -> dict[str | None, calendarfile.Given] | DataRefused:
    try:
        return calendarfile.read(path)
    except DataRefused as error:
        return error
