from typing import Any

import pytest

from levain_training.ingest.fields import split_line


def with_line(text: str, number: int, line: str) -> str:
    lines = text.split("\n")
    lines[number - 1] = line
    return "\n".join(lines)


def test_plain_base_gives_two_whole_series_and_no_repair(base: Any) -> None:
    sales = base.twin()
    assert [(one.product, one.start, len(one.values)) for one in sales.series] == [
        ("Brot", base.days[0], 400),
        ("Croissant", base.days[0], 400),
    ]
    assert sum(sum(one.values) for one in sales.series) == 20_970
    assert str(sales.forecast_start) == "2024-02-05"
    assert sales.report.rows_read == sales.report.rows_used == 800
    assert sales.report.repairs == sales.report.skipped == sales.report.notes == ()
    assert sales.report.format == "CSV, ',', yyyy-mm-dd"
    assert (sales.report.products, sales.report.shops) == (2, 1)


def test_a_sep_line_and_delimiters_at_the_end_of_rows_shift_nothing(base: Any) -> None:
    text = "sep=;\n" + base.csv(head="date;product;quantity", line=lambda d, p, q: f"{d};{p};{q};")
    text = with_line(text, 10, "2023-01-04;Croissant;x;")
    sales = base.read(text.replace("\n", "\r\n"))
    (repair,) = sales.report.repairs
    assert (repair.code, repair.lines, repair.count) == ("unparsable_quantity", (10,), 1)
    assert "line 10: 'x'" in repair.message
    assert (sales.report.rows_read, sales.report.rows_used) == (800, 799)
    assert sales.report.format.startswith("CSV, ';'")
    expected = base.twin().series
    assert sales.series[0] == expected[0]
    values = list(expected[1].values)
    values[3] = None
    assert sales.series[1].values == values


@pytest.mark.parametrize("sep", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;", "\nsep=;"])
def test_any_spelling_of_the_sep_line_is_passed_over(base: Any, sep: str) -> None:
    text = f"{sep}\n" + base.csv(head="date;product;quantity", line=lambda d, p, q: f"{d};{p};{q}")
    assert base.read(text).series == base.twin().series


@pytest.mark.parametrize("head", ["date;product;quantity", "date;product;quantity;", "date;product;quantity;;"])
@pytest.mark.parametrize("tail", ["", ";", ";;;;"])
def test_delimiters_left_at_the_end_of_header_or_rows_are_no_columns(base: Any, head: str, tail: str) -> None:
    sales = base.read(base.csv(head=head, line=lambda d, p, q: f"{d};{p};{q}{tail}"))
    assert sales.series == base.twin().series
    assert sales.report.repairs == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
def test_every_delimiter_and_line_end_reads_the_same(base: Any, delimiter: str, end: str) -> None:
    text = base.csv().replace(",", delimiter).replace("\n", end)
    assert base.read(text).series == base.twin().series


def test_the_decimal_comma_is_not_taken_for_the_delimiter(base: Any) -> None:
    sales = base.read(base.csv(head="date;product;quantity", line=lambda d, p, q: f"{d};{p};{q},0"))
    assert sales.series == base.twin().series
    assert sales.report.format == "CSV, ';', yyyy-mm-dd, ',' is the decimal mark"


def test_blank_lines_and_rows_of_bare_delimiters_are_passed_over(base: Any) -> None:
    text = "\n" + base.csv().replace("\n", "\n\n,,\n  \n") + ",,\n"
    sales = base.read(text)
    assert sales.series == base.twin().series
    assert sales.report.rows_read == 800
    assert sales.report.repairs == ()


@pytest.mark.parametrize("line", ['2023-07-19,"Tarte 22 cm,3', '"2023-07-19,Tarte,3', '2023-07-19,Tarte,"3', '2023-07-19,"Tarte 9"",3'])
def test_a_quote_that_is_never_closed_costs_its_own_row_alone(base: Any, line: str) -> None:
    sales = base.read(with_line(base.csv(), 400, line))
    (repair,) = sales.report.repairs
    assert (repair.code, repair.lines) == ("unclosed_quote", (400,))
    assert (sales.report.rows_read, sales.report.rows_used) == (800, 799)
    assert [one.product for one in sales.series] == ["Brot", "Croissant"]
    assert sales.series[1] == base.twin().series[1]


def test_two_open_quotes_swallow_nothing_between_them(base: Any) -> None:
    text = with_line(with_line(base.csv(), 400, '2023-07-19,"Tarte,3'), 500, '2023-09-07,"Tarte,3')
    sales = base.read(text)
    assert sales.report.repairs[0].lines == (400, 500)
    assert sales.report.rows_used == 798


def test_a_product_never_holds_a_line_end(base: Any) -> None:
    text = with_line(base.csv(), 400, '2023-07-19,"Tarte\n22 cm",3')
    sales = base.read(text)
    assert [(repair.code, repair.lines) for repair in sales.report.repairs] == [("unclosed_quote", (400,)), ("wrong_field_count", (401,))]
    assert all("\n" not in one.product for one in (*sales.series, *sales.skipped))


def test_quotes_inside_a_name_are_part_of_it(base: Any) -> None:
    names = {"Brot": '"Tarte 9"" rund"', "Croissant": 'Tarte 9"'}
    sales = base.read(base.csv(line=lambda d, p, q: f"{d},{names[p]},{q}"))
    assert [one.product for one in sales.series] == ['Tarte 9"', 'Tarte 9" rund']
    assert sales.report.repairs == ()
    assert [one.values for one in sales.series] == [base.twin().series[i].values for i in (1, 0)]


def test_quoted_fields_may_hold_the_delimiter(base: Any) -> None:
    sales = base.read(base.csv(line=lambda d, p, q: f'"{d}","{p}, klein","{q}"'))
    assert [one.product for one in sales.series] == ["Brot, klein", "Croissant, klein"]
    assert sales.report.rows_used == 800


def test_rows_with_too_many_or_too_few_fields_are_listed(base: Any) -> None:
    text = with_line(with_line(base.csv(), 10, "2023-01-05,Brot"), 20, "2023-01-10,Brot,1,5")
    (repair,) = base.read(text).report.repairs
    assert (repair.code, repair.lines) == ("wrong_field_count", (10, 20))


def test_a_bare_decimal_comma_between_commas_is_refused_with_its_line(base: Any) -> None:
    error = base.refused(base.csv(line=lambda d, p, q: f"{d},{p},{q},5"))
    assert error.code == "wrong_field_count"
    assert "line 2, for one, has 4 fields where the header has 3" in error.message


def test_unquoted_grouping_commas_do_not_cost_the_best_days(base: Any) -> None:
    text = base.csv([(day, "Brot", 40 * base.week[day.weekday()]) for day in base.days], line=lambda d, p, q: f"{d},{p},{q:,}")
    assert base.refused(text).code == "wrong_field_count"


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("a,b", ["a", "b"]),
        ("", [""]),
        ("a,", ["a", ""]),
        ('"a,b",c', ["a,b", "c"]),
        ('"a""b"', ['a"b']),
        (' "a" ,b', ["a", "b"]),
        ('a"b,c', ['a"b', "c"]),
        ('"a" b,c', ['"a" b', "c"]),
        ('"a" b",c', ['a" b', "c"]),
        ('"a,b', None),
        ('""', [""]),
        ('"', None),
    ],
)
def test_one_line_splits_tolerantly(line: str, fields: list[str] | None) -> None:
    assert split_line(line, ",") == fields
