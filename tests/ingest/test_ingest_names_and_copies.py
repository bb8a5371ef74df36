from typing import Any

import pytest


def test_names_that_look_like_missing_values_are_names(base: Any) -> None:
    names = ["NA", "nan", "null", "None", "Nan"]
    rows = [(day, name, base.week[day.weekday()]) for day in base.days for name in names]
    tokens = {5: "NA", 105: "n/a", 205: "NULL", 305: "#N/A"}
    rows = [(day, name, tokens.get(i, sold)) for i, (day, name, sold) in enumerate(rows)]
    sales = base.read(base.csv(rows))
    assert {one.product for one in sales.series} == set(names)
    (repair,) = sales.report.repairs
    assert (repair.code, repair.lines) == ("missing_quantity", (7, 107, 207, 307))
    assert sales.report.rows_used == 1996
    assert sales.report.notes == ("near-equal product names are kept apart: 'Nan' / 'nan'",)
    assert sum(one.values.count(None) for one in sales.series) == 4


def test_near_equal_names_are_told_not_merged(base: Any) -> None:
    names = {"Brot": "Pain  au lait", "Croissant": "pain au lait"}
    sales = base.read(base.csv(line=lambda d, p, q: f"{d}, {names[p]}\u00a0,{q}"))
    assert [one.product for one in sales.series] == ["Pain  au lait", "pain au lait"]
    assert len(sales.report.notes) == 1


def test_white_space_and_control_characters_around_a_name_are_cut(base: Any) -> None:
    sales = base.read(base.csv(line=lambda d, p, q: f"{d},\ufeff {p}\x07\u200b,{q}"))
    assert sales.series == base.twin().series
    odd = base.read(base.csv(line=lambda d, p, q: f"{d},{p}\x1b[2J!,{q}"))
    assert [one.product for one in odd.series] == ["Brot [2J!", "Croissant [2J!"]


def test_rows_without_a_usable_name_are_left_out_and_listed(base: Any) -> None:
    text = base.csv() + f"2023-01-01, ,3\n2023-01-01,{'x' * 201},3\n2023-01-01,{'é' * 200},3\n"
    sales = base.read(text)
    assert [(repair.code, repair.lines) for repair in sales.report.repairs] == [("missing_product", (802,)), ("name_too_long", (803,))]
    assert sales.report.rows_used == 801


def test_each_shop_has_its_own_series(base: Any) -> None:
    rows = [(day, f"{name},{shop}", sold) for day, name, sold in base.rows for shop in ("Nord", "Sued")]
    sales = base.read(base.csv(rows, head="date,product,shop,quantity"))
    assert [(one.shop, one.product) for one in sales.series] == [
        ("Nord", "Brot"),
        ("Nord", "Croissant"),
        ("Sued", "Brot"),
        ("Sued", "Croissant"),
    ]
    twin = [one.values for one in base.twin().series]
    assert [one.values for one in sales.series] == twin * 2
    assert sales.report.repairs == ()
    assert (sales.report.shops, sales.report.products) == (2, 4)
    assert [one.shop for one in sales.calendars] == ["Nord", "Sued"]
    assert len({one.product_id for one in sales.series}) == 4


@pytest.mark.parametrize("head", ["date,product,till,quantity", "date,product,customer,quantity"])
def test_rows_that_an_unknown_column_tells_apart_are_added_and_told(base: Any, head: str) -> None:
    rows = [(day, f"{name},{place}", sold) for day, name, sold in base.rows for place in ("Nord", "Sued")]
    sales = base.read(base.csv(rows, head=head))
    assert [one.values for one in sales.series] == [[2 * value for value in one.values] for one in base.twin().series]
    assert [(repair.code, repair.count) for repair in sales.report.repairs] == [("several_rows_per_day", 800)]


def test_a_row_without_its_shop_is_listed(base: Any) -> None:
    sales = base.read(base.csv(head="date,product,quantity,shop", line=lambda d, p, q: f"{d},{p},{q},Nord") + "2023-01-01,Brot,9,\n")
    assert [(repair.code, repair.lines) for repair in sales.report.repairs] == [("missing_shop", (802,))]


def test_an_empty_shop_column_is_no_shop(base: Any) -> None:
    sales = base.read(base.csv(head="date,product,quantity,shop", line=lambda d, p, q: f"{d},{p},{q},"))
    assert sales.series == base.twin().series
    assert len(sales.report.notes) == 1


def test_copies_of_a_row_are_left_out_and_listed(base: Any) -> None:
    lines = base.csv().rstrip("\n").split("\n")
    sales = base.read("\n".join([*lines, lines[1], lines[400], lines[1]]))
    (repair,) = sales.report.repairs
    assert (repair.code, repair.count, repair.lines) == ("duplicate_row", 3, (802, 803, 804))
    assert sales.series == base.twin().series
    assert (sales.report.rows_read, sales.report.rows_used) == (803, 800)


def test_a_file_appended_to_itself_counts_once(base: Any) -> None:
    sales = base.read(base.csv() + base.csv().split("\n", 1)[1])
    assert sales.series == base.twin().series
    assert [(repair.code, repair.count) for repair in sales.report.repairs] == [("duplicate_row", 800)]


def test_a_row_number_of_the_export_does_not_hide_copies(base: Any) -> None:
    body = base.csv().rstrip("\n").split("\n")[1:] * 2
    text = ",date,product,quantity\n" + "\n".join(f"{i},{line}" for i, line in enumerate(body))
    assert base.read(text).series == base.twin().series


def test_several_quantities_of_one_day_are_added_and_listed(base: Any) -> None:
    sales = base.read(base.csv() + "2023-01-05,Brot,4\n")
    (repair,) = sales.report.repairs
    assert (repair.code, repair.lines) == ("several_rows_per_day", (802,))
    assert sales.series[0].values[4] == base.twin().series[0].values[4] + 4


def test_one_row_per_unit_sold_is_added_up_though_all_rows_look_alike(base: Any) -> None:
    units = [(day, name, 1) for day, name, sold in base.rows for _ in range(sold)]
    sales = base.read(base.csv(units))
    assert sales.series == base.twin().series
    assert sales.report.repairs == ()
    assert "lines of tickets" in sales.report.notes[0]
