from datetime import date, timedelta
from typing import Any

import pytest

from levain_contracts.ids import product_id
from levain_training.ingest import DataRefused, select


def test_days_on_which_a_shop_sold_nothing_are_closed(base: Any) -> None:
    rows = [row for row in base.rows if row[0].weekday() != 0 and row[0].month != 8]
    sales = base.read(base.csv(rows))
    closed = [day for day in base.days if day.weekday() == 0 or day.month == 8]
    assert sales.calendars[0].closed == closed
    for one in sales.series:
        assert [base.days[i] for i, value in enumerate(one.values) if value is None] == closed


def test_rows_of_zero_do_not_open_a_shop(base: Any) -> None:
    rows = [(day, name, 0 if day.weekday() == 0 else sold) for day, name, sold in base.rows]
    without = [row for row in rows if row[2]]
    assert base.read(base.csv(rows)).series == base.read(base.csv(without)).series


def test_an_open_day_without_a_row_is_zero(base: Any) -> None:
    rows = [row for row in base.rows if not (row[1] == "Brot" and row[0] == base.days[10])]
    sales = base.read(base.csv(rows))
    assert sales.series[0].values[10] == 0.0
    assert sales.calendars[0].closed == []


def test_an_unknown_quantity_is_none_and_closes_nothing(base: Any) -> None:
    rows = [(day, "Brot", "NA" if day == base.days[10] else 3) for day in base.days]
    sales = base.read(base.csv(rows))
    assert sales.series[0].values[10] is None
    assert sales.calendars[0].closed == []


def test_a_series_begins_with_its_first_sale_and_ends_with_the_file(base: Any) -> None:
    new = [(day, "Neu", 0 if i < 50 else 4) for i, day in enumerate(base.days[300:])]
    late = [row for row in base.rows if row[1] == "Brot" or row[0] < base.days[380]]
    sales = base.read(base.csv([*late, *new]))
    by_name = {one.product: one for one in sales.series}
    assert by_name["Neu"].start == base.days[350]
    assert {one.start + timedelta(days=len(one.values)) for one in sales.series} == {sales.forecast_start}
    assert by_name["Croissant"].values[-20:] == [0.0] * 20


def test_a_shop_that_rests_on_the_last_day_ends_with_the_others(base: Any) -> None:
    rows = [
        (day, f"{name},{shop}", sold)
        for day, name, sold in base.rows
        for shop in ("Nord", "Sued")
        if shop == "Nord" or day.weekday() != base.days[-1].weekday()
    ]
    sales = base.read(base.csv(rows, head="date,product,shop,quantity"))
    south = [one for one in sales.series if one.shop == "Sued"]
    assert all(one.values[-1] is None for one in south)
    assert {one.start + timedelta(days=len(one.values)) for one in sales.series} == {sales.forecast_start}


@pytest.mark.parametrize(
    ("reason", "extra"),
    [
        ("no_sales", [(date(2023, 5, 1), 0)]),
        ("dormant", [(date(2023, 1, 1) + timedelta(days=i), 5) for i in range(339)]),
        ("too_little_history", [(date(2024, 1, 9) + timedelta(days=i), 5) for i in range(27)]),
    ],
)
def test_products_without_enough_to_learn_from_are_skipped_with_the_reason(base: Any, reason: str, extra: list[tuple[date, int]]) -> None:
    sales = base.read(base.csv([*base.rows, *((day, "Rest", sold) for day, sold in extra)]))
    (skipped,) = sales.skipped
    assert (skipped.product, skipped.reason, skipped.product_id) == ("Rest", reason, product_id(None, "Rest"))
    (told,) = sales.report.skipped
    assert (told.reason, told.count, told.products) == (reason, 1, ("Rest",))
    assert sales.report.products == 3
    assert sales.series == base.twin().series


@pytest.mark.parametrize(
    "extra", [[(date(2024, 1, 8) + timedelta(days=i), 5) for i in range(28)], [(date(2023, 12, 6), 5), (date(2024, 1, 1), 3)]]
)
def test_just_enough_is_kept(base: Any, extra: list[tuple[date, int]]) -> None:
    sales = base.read(base.csv([*base.rows, *((day, "Rest", sold) for day, sold in extra)]))
    assert [one.product for one in sales.series] == ["Brot", "Croissant", "Rest"]


def test_a_file_that_sold_nothing_at_all_skips_everything(base: Any) -> None:
    sales = base.read(base.csv([(day, name, 0) for day, name, _ in base.rows]))
    assert sales.series == []
    assert {one.reason for one in sales.skipped} == {"no_sales"}
    assert sales.report.first_date is None


def test_fewer_than_fourteen_open_days_are_too_little(base: Any) -> None:
    sales = base.read(base.csv([row for row in base.rows if row[0].weekday() == 5][-24:]))
    assert {one.reason for one in sales.skipped} == {"too_little_history"}


def test_products_are_selected_by_name_or_id(base: Any) -> None:
    sales = base.twin()
    assert select(sales, None) is sales
    for wanted in ("Brot", " Brot ", product_id(None, "Brot")):
        chosen = select(sales, [wanted])
        assert [one.product for one in chosen.series] == ["Brot"]
        assert (chosen.report.products, chosen.forecast_start) == (1, sales.forecast_start)


def test_unknown_products_are_named(base: Any) -> None:
    with pytest.raises(DataRefused) as caught:
        select(base.twin(), ["Brot", *(f"Torte {i}" for i in range(9))])
    assert caught.value.code == "unknown_products"
    assert "'Torte 0', 'Torte 1', 'Torte 2', 'Torte 3', 'Torte 4' and 4 more" in caught.value.message
    with pytest.raises(DataRefused):
        select(base.twin(), [])
