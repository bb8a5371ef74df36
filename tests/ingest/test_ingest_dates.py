from datetime import date, timedelta
from typing import Any

import pytest


def by_day_then_month(base: Any) -> list[tuple[date, str, int]]:
    return sorted(base.rows, key=lambda row: (row[0].day, row[0].month))


@pytest.mark.parametrize(
    ("pattern", "label"),
    [
        ("%d/%m/%Y", "dd/mm/yyyy"),
        ("%m/%d/%Y", "mm/dd/yyyy"),
        ("%d.%m.%Y", "dd.mm.yyyy"),
        ("%d-%m-%Y", "dd-mm-yyyy"),
        ("%-d/%-m/%Y", "dd/mm/yyyy"),
        ("%Y-%m-%d", "yyyy-mm-dd"),
        ("%Y/%m/%d", "yyyy/mm/dd"),
        ("%Y%m%d", "yyyymmdd"),
        ("%d%m%Y", "ddmmyyyy"),
        ("%d/%m/%y", "dd/mm/yy"),
        ("%m/%d/%y", "mm/dd/yy"),
        ("%y-%m-%d", "yy-mm-dd"),
        ("%d. %m. %Y", "dd.mm.yyyy"),
        ("%a %d.%m.%Y", "dd.mm.yyyy"),
    ],
)
def test_the_notation_is_read_from_the_whole_column(base: Any, pattern: str, label: str) -> None:
    sales = base.read(base.csv(by_day_then_month(base), line=lambda d, p, q: f"{d.strftime(pattern)},{p},{q}"))
    assert sales.series == base.twin().series
    assert sales.report.format == f"CSV, ',', {label}"
    assert sales.report.repairs == ()


@pytest.mark.parametrize("pattern", ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d/%m/%y", "%d%m%Y"])
def test_dates_that_fit_two_orders_are_asked_about(base: Any, pattern: str) -> None:
    rows = [row for row in by_day_then_month(base) if row[0].day <= 12]
    text = base.csv(rows, line=lambda d, p, q: f"{d.strftime(pattern)},{p},{q}")
    error = base.refused(text)
    assert error.code == "ambiguous_dates"
    assert "1 February 2023" in error.message
    assert "2 January 2023" in error.message
    assert pattern in error.message
    assert "date_format" in error.message
    decided = base.read(text, date_format=pattern)
    assert decided.series == base.read(base.csv(rows)).series


def test_both_orders_in_one_file_are_refused_with_both_lines(base: Any) -> None:
    text = base.csv(line=lambda d, p, q: f"{d:%d/%m/%Y},{p},{q}") + "01/13/2023,Brot,3\n"
    error = base.refused(text)
    assert error.code == "mixed_dates"
    assert "'13/01/2023' on line 26" in error.message
    assert "'01/13/2023' on line 802" in error.message


def test_a_date_without_a_year_is_refused(base: Any) -> None:
    error = base.refused(base.csv(line=lambda d, p, q: f"{d:%d.%m.},{p},{q}"))
    assert (error.code, "line 2" in error.message) == ("date_without_year", True)


def test_a_few_unparsable_dates_are_left_out_and_listed(base: Any) -> None:
    text = base.csv() + "Summe,,20970\n31.02.2023,Brot,4\n,Brot,4\n"
    sales = base.read(text)
    assert sales.series == base.twin().series
    by_code = {repair.code: repair.lines for repair in sales.report.repairs}
    assert by_code == {"missing_product": (802,), "unparsable_date": (803, 804)}


def test_a_column_that_is_mostly_no_date_is_refused_with_its_first_line(base: Any) -> None:
    error = base.refused(base.csv(line=lambda d, p, q: f"KW{d:%V},{p},{q}"))
    assert error.code == "unparsable_dates"
    assert "line 2: 'KW52'" in error.message


def test_spreadsheet_day_numbers_are_refused_with_the_way_out(base: Any) -> None:
    text = base.csv(line=lambda d, p, q: f"{(d - date(1899, 12, 30)).days},{p},{q}")
    assert "format the column as a date" in base.refused(text).message


def test_dates_out_of_range_are_left_out_and_listed(base: Any) -> None:
    sales = base.read(base.csv() + "1900-01-01,Brot,3\n2203-01-01,Brot,3\n")
    (repair,) = sales.report.repairs
    assert (repair.code, repair.lines) == ("date_out_of_range", (802, 803))
    assert sales.series == base.twin().series


@pytest.mark.parametrize("slip", ["2032-01-05", "2024-07-05", "1995-01-05"])
def test_one_slip_of_a_date_does_not_age_or_stretch_every_product(base: Any, slip: str) -> None:
    sales = base.read(base.csv() + f"{slip},Brot,3\n")
    (repair,) = sales.report.repairs
    assert (repair.code, repair.lines) == ("outlier_date", (802,))
    assert sales.series == base.twin().series


def test_a_shop_that_opens_again_after_months_is_no_slip(base: Any) -> None:
    rows = [row for row in base.rows if not 300 <= (row[0] - base.days[0]).days < 397]
    sales = base.read(base.csv(rows))
    assert sales.report.repairs == ()
    assert sales.forecast_start == base.days[-1] + timedelta(days=1)


def test_a_span_beyond_reason_is_refused_with_both_ends(base: Any) -> None:
    error = base.refused(base.csv() + "2099-01-05,Brot,3\n")
    assert error.code == "span_too_long"
    assert "2023-01-01 on line 2" in error.message
    assert "2099-01-05 on line 802" in error.message


def test_midnight_times_are_only_dates(base: Any) -> None:
    rows = base.csv(line=lambda d, p, q: f"{d} 00:00:00,{p},{q}")
    sales = base.read(rows + rows.split("\n")[1] + "\n")
    assert sales.series == base.twin().series
    assert [repair.code for repair in sales.report.repairs] == ["duplicate_row"]


@pytest.mark.parametrize("time", [" 07:31:00", "T07:31:00", "T07:31:00+01:00", "T07:31:00.123Z", " 7:31 PM", " 7h31"])
def test_lines_of_tickets_are_added_up_by_the_date_as_written(base: Any, time: str) -> None:
    tickets = [(day, name, 1) for day, name, sold in base.rows for _ in range(sold)]
    text = base.csv(tickets, line=lambda d, p, q: f"{d}{time},{p},{q}") + "2023-01-01 09:15:00,Brot,0\n"
    sales = base.read(text)
    assert sales.series == base.twin().series
    assert sales.report.repairs == ()
    assert any("lines of tickets" in note for note in sales.report.notes)
    assert any("date as written" in note for note in sales.report.notes)


def test_a_given_format_is_kept_to(base: Any) -> None:
    text = base.csv(line=lambda d, p, q: f"{d:%d-%b-%Y},{p},{q}") + "2023-01-01,Brot,3\n"
    sales = base.read(text, date_format="%d-%b-%Y")
    assert sales.series == base.twin().series
    assert sales.report.format.endswith("%d-%b-%Y")
    assert sales.report.repairs[0].lines == (802,)
    stamped = base.csv(line=lambda d, p, q: f"{d:%d/%m/%Y} 07:31,{p},{q}")
    assert base.read(stamped, date_format="%d/%m/%Y").series == base.twin().series
    assert base.read(stamped, date_format="%d/%m/%Y %H:%M").series == base.twin().series


@pytest.mark.parametrize("bad", ["%d/%m", "dd/mm/yyyy", "%Y", "%Y-%q-%d", "%d/%d/%Y", "%Y%"])
def test_a_format_that_is_no_full_date_is_refused(base: Any, bad: str) -> None:
    assert base.refused(base.csv(), date_format=bad).code == "bad_date_format"


def test_two_clear_notations_in_one_file_are_both_read_and_noted(base: Any) -> None:
    half = base.days[200]
    text = base.csv(line=lambda d, p, q: f"{d if d < half else d.strftime('%d.%m.%Y')},{p},{q}")
    sales = base.read(text)
    assert sales.series == base.twin().series
    assert any("2 ways" in note for note in sales.report.notes)


def test_a_stray_date_that_may_be_two_is_left_out_not_guessed(base: Any) -> None:
    sales = base.read(base.csv() + "01/02/2023,Brot,300\n")
    assert sales.series == base.twin().series
    assert [repair.code for repair in sales.report.repairs] == ["unparsable_date"]


def test_rows_may_come_in_any_order(base: Any) -> None:
    assert base.read(base.csv(reversed(base.rows))).series == base.twin().series


def test_zero_rows_planned_ahead_do_not_move_the_forecast(base: Any) -> None:
    ahead = [(base.days[-1] + timedelta(days=i), "Brot", 0) for i in range(1, 31)]
    sales = base.read(base.csv([*base.rows, *ahead]))
    assert sales.series == base.twin().series
    assert sales.forecast_start == base.days[-1] + timedelta(days=1)
