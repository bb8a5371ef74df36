from typing import Any


def test_an_odd_day_is_listed_by_its_line_and_kept_in_the_series(base: Any) -> None:
    rows = list(base.rows)
    day, name, _ = rows[400]
    rows[400] = (day, name, 900)
    sales = base.read(base.csv(rows))
    found = sales.report.winsorised
    assert found is not None
    assert (found.code, found.count, found.lines) == ("outlier_day", 1, (402,))
    assert f"'{name}' on {day}, 900 units on line 402" in found.message
    assert sales.report.repairs == ()
    assert 900.0 in next(one for one in sales.series if one.product == name).values


def test_a_product_with_more_returns_than_sales_is_skipped_with_the_reason(base: Any) -> None:
    returned = [(day, "Rest", 3 if i % 3 else -9) for i, day in enumerate(base.days)]
    sales = base.read(base.csv([*base.rows, *returned]))
    assert [(one.product, one.reason) for one in sales.skipped] == [("Rest", "returns_exceed_sales")]
    assert sales.series == base.twin().series
