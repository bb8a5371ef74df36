from datetime import date
from typing import Any

import pytest


def by_day(base: Any, spell: Any = str, name: Any = str) -> str:
    table = {(day, product): sold for day, product, sold in base.rows}
    lines = [";".join(["product", *(spell(day) for day in base.days)])]
    lines += [";".join([product, *(name(table[day, product]) for day in base.days)]) for product in ("Brot", "Croissant")]
    return "\n".join(lines) + "\n"


def by_product(base: Any, head: str = "date,Brot,Croissant", more: str = "") -> str:
    table = {(day, product): sold for day, product, sold in base.rows}
    return "\n".join([head, *(f"{day},{table[day, 'Brot']},{table[day, 'Croissant']}{more}" for day in base.days)]) + "\n"


@pytest.mark.parametrize("spell", [str, lambda day: f"{day:%d/%m/%Y}", lambda day: f"{day:%a %d.%m.%Y}", lambda day: f"{day:%Y%m%d}"])
def test_a_column_per_day_reads_like_the_long_file(base: Any, spell: Any) -> None:
    sales = base.read(by_day(base, spell), layout="day_columns")
    assert sales.series == base.twin().series
    assert (sales.report.repairs, sales.report.notes) == ((), ())
    assert "one column per day" in sales.report.format
    assert (sales.report.rows_read, sales.report.rows_used) == (2, 800)


def test_a_column_per_product_reads_like_the_long_file(base: Any) -> None:
    sales = base.read(by_product(base), layout="product_columns")
    assert sales.series == base.twin().series
    assert sales.report.repairs == ()


def test_a_given_date_format_reads_the_days_of_a_header(base: Any) -> None:
    text = by_day(base, lambda day: f"{day:%d/%m/%Y}")
    assert base.read(text, layout="day_columns", date_format="%d/%m/%Y").series == base.twin().series


def test_decimal_commas_and_shops_are_read_in_wide_files_too(base: Any) -> None:
    text = (
        by_day(base, name=lambda sold: f"{sold},0")
        .replace("product;", "Filiale;product;")
        .replace("\nBrot", "\nNord;Brot")
        .replace("\nCr", "\nNord;Cr")
    )
    sales = base.read(text, layout="day_columns")
    assert [one.values for one in sales.series] == [one.values for one in base.twin().series]
    assert {one.shop for one in sales.series} == {"Nord"}


def test_sums_and_columns_without_a_name_are_no_products(base: Any) -> None:
    sales = base.read(by_product(base, "date,Brot,Croissant,Total,", ",99,"), layout="product_columns")
    assert sales.series == base.twin().series
    assert sales.report.notes == ("columns not used: Total",)


def test_an_empty_cell_is_no_row(base: Any) -> None:
    text = by_product(base).replace(",25\n", ",\n")
    rows = [row for row in base.rows if not (row[1] == "Croissant" and row[2] == 25)]
    sales = base.read(text, layout="product_columns")
    assert sales.series == base.read(base.csv(rows)).series
    assert sales.report.repairs == ()


def test_a_bad_cell_is_listed_by_the_line_of_its_row(base: Any) -> None:
    lines = by_product(base).split("\n")
    lines[4] = "2023-01-04,x,25"
    (repair,) = base.read("\n".join(lines), layout="product_columns").report.repairs
    assert (repair.code, repair.lines) == ("unparsable_quantity", (5,))


def test_without_the_option_a_wide_file_is_refused_with_the_way_out(base: Any) -> None:
    error = base.refused(by_day(base))
    assert (error.code, "set layout to day_columns" in error.message) == ("wide_table", True)


@pytest.mark.parametrize(
    ("text", "layout", "code"),
    [
        ("product,a,b\nBrot,1,2\n", "day_columns", "missing_column"),
        ("product,01.02.,02.02.\nBrot,1,2\n", "day_columns", "date_without_year"),
        ("product,01/02/2023,02/01/2023\nBrot,1,2\n", "day_columns", "ambiguous_dates"),
        ("what,2023-01-01\nBrot,1\n", "day_columns", "missing_column"),
        ("date\n2023-01-01\n", "product_columns", "missing_column"),
        ("when,Brot\n2023-01-01,1\n", "product_columns", "missing_column"),
        ("date,Brot\n", "product_columns", "no_rows"),
        ("date,Brot,Brot\n2023-01-01,1,1\n", "product_columns", "ambiguous_column"),
    ],
)
def test_wide_files_that_say_too_little_are_refused(base: Any, text: str, layout: str, code: str) -> None:
    assert base.refused(text, layout=layout).code == code


def test_names_of_products_are_whatever_the_header_says(base: Any) -> None:
    sales = base.read(by_product(base, "date,101,2023"), layout="product_columns")
    assert [one.product for one in sales.series] == ["101", "2023"]
    assert sales.series[0].start == date(2023, 1, 1)
