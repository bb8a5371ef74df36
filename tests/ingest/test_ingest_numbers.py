from typing import Any

import pytest


def one_product(base: Any, factor: int = 40) -> list[tuple[Any, str, int]]:
    return [(day, "Brot", factor * base.week[day.weekday()]) for day in base.days]


def semicolons(base: Any, rows: Any, spell: Any) -> str:
    text: str = base.csv(rows, head="date;product;quantity", line=lambda d, p, q: f"{d};{p};{spell(q)}")
    return text


def dotted(sold: int) -> str:
    return f"{sold:,}".replace(",", ".")


def test_grouped_thousands_beside_plain_hundreds_are_thousands(base: Any) -> None:
    plain = base.read(base.csv(one_product(base)))
    sales = base.read(semicolons(base, one_product(base), dotted))
    assert sales.series == plain.series
    assert "'.' groups thousands" in sales.report.format
    assert sales.report.repairs == ()
    assert min(sales.series[0].values) > 700


@pytest.mark.parametrize("space", ["\u00a0", "\u202f", " ", "'", "’", "\u2009"])
def test_spaces_and_apostrophes_group_thousands(base: Any, space: str) -> None:
    sales = base.read(semicolons(base, one_product(base), lambda q: f"{q:,}".replace(",", space)))
    assert sales.series == base.read(base.csv(one_product(base))).series
    assert "spaces group thousands" in sales.report.format


def test_commas_group_thousands_in_quoted_fields(base: Any) -> None:
    sales = base.read(base.csv(one_product(base), line=lambda d, p, q: f'{d},{p},"{q:,}"'))
    assert sales.series == base.read(base.csv(one_product(base))).series
    assert "',' groups thousands" in sales.report.format


def test_one_value_with_both_marks_decides_for_all(base: Any) -> None:
    rows = [(day, name, 1234 if i % 2 else 1412) for i, (day, name, _) in enumerate(one_product(base))]
    expected = base.read(base.csv([*rows[:-1], (rows[-1][0], "Brot", 1012.5)]))
    lines = semicolons(base, rows, dotted).rstrip("\n").split("\n")
    lines[-1] = lines[-1].rsplit(";", 1)[0] + ";1.012,5"
    sales = base.read("\n".join(lines))
    assert sales.series == expected.series
    assert "'.' groups thousands" in sales.report.format


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (("1.234", "2.345"), "every value may be a thousand or one and a bit"),
        (("20.000", "21.000"), "three decimals, or thousands"),
        (("0", "20.000"), "a zero decides nothing"),
        (("3", "1.234"), "small whole numbers decide nothing"),
        (("1500", "1.400"), "an ungrouped thousand speaks against grouping"),
        (("1.234", "1,234"), "either may be the decimal mark"),
    ],
)
def test_what_can_not_be_decided_is_asked_about(base: Any, values: tuple[str, str], why: str) -> None:
    rows = [(day, "Brot", values[i % 2]) for i, day in enumerate(base.days)]
    text = semicolons(base, rows, str)
    error = base.refused(text)
    assert error.code == "ambiguous_numbers", why
    assert "decimal" in error.message
    assert "line " in error.message
    base.read(text, decimal=",")
    base.read(text, decimal=".")


def test_the_option_decides(base: Any) -> None:
    text = semicolons(base, [(day, "Brot", "1.234") for day in base.days], str)
    assert base.read(text, decimal=",").series[0].values[0] == 1234.0
    assert base.read(text, decimal=".").series[0].values[0] == 1.234


def test_two_decimal_marks_are_refused_with_both_lines(base: Any) -> None:
    error = base.refused(semicolons(base, base.rows, str) + "2023-01-01;Rest;1,5\n2023-01-01;Rest;1.5\n")
    assert error.code == "mixed_numbers"
    assert "line 802" in error.message
    assert "line 803" in error.message


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("7", 7.0),
        ("7.5", 7.5),
        ("+7", 7.0),
        ("7.", 7.0),
        (".5", 0.5),
        ("1e1", 10.0),
        ("0.125", 0.125),
        ("007", 7.0),
        ("1,234.5", 1234.5),
        ("1,234,567", 1234567.0),
        ("inf", None),
        ("1e400", None),
        ("1e13", None),
        ("1.2.3", None),
        ("7 Stk", None),
        ("0x10", None),
        ("٧", None),
    ],
)
def test_one_quantity_is_read_or_listed(base: Any, text: str, units: float | None) -> None:
    sales = base.read(base.csv([*base.rows, (base.days[9], "Rest", "1.5"), (base.days[10], "Rest", text)], line=quoted))
    series = {one.product: one for one in (*sales.series, *sales.skipped)}["Rest"]
    codes = [repair.code for repair in sales.report.repairs]
    assert codes == ([] if units is not None else ["unparsable_quantity"])
    assert getattr(series, "values", [0, units])[1] == units


def quoted(day: Any, name: str, sold: Any) -> str:
    return f'{day},{name},"{sold}"'


def test_quantities_that_are_mostly_no_numbers_are_refused(base: Any) -> None:
    error = base.refused(base.csv(line=lambda d, p, q: f"{d},{p},{q} Stk"))
    assert error.code == "unparsable_quantities"
    assert "line 2: '24 Stk'" in error.message


def test_missing_quantities_are_unknown_not_zero(base: Any) -> None:
    tokens = ("", "NA", "n/a", "NULL", "#N/A", "nan", "-")
    rows = [(day, name, tokens[i] if i < len(tokens) else sold) for i, (day, name, sold) in enumerate(base.rows)]
    rows = [*rows[100:], *rows[:100]]
    sales = base.read(base.csv(rows))
    (repair,) = sales.report.repairs
    assert (repair.code, repair.count, repair.lines) == ("missing_quantity", 7, tuple(range(702, 709)))
    assert sales.report.rows_used == 793
    unsold = {one.product: one.values.count(None) for one in sales.series}
    assert sum(unsold.values()) <= 7
    assert all(value != 0 for one in sales.series for value in one.values)


def test_returns_net_within_the_day_and_a_negative_day_counts_as_zero(base: Any) -> None:
    returned = [(base.days[10], "Brot", -5), (base.days[20], "Brot", -500)]
    sales = base.read(base.csv([*base.rows, *returned]))
    expected = base.twin().series[0].values
    assert sales.series[0].values[10] == expected[10] - 5
    assert sales.series[0].values[20] == 0.0
    by_code = {repair.code: repair for repair in sales.report.repairs}
    assert by_code["negative_day"].lines == (803,)
    assert by_code["several_rows_per_day"].lines == (802, 803)


@pytest.mark.parametrize("minus", ["-3", "- 3", "−3", "3-", "(3)"])
def test_every_spelling_of_a_minus_is_read(base: Any, minus: str) -> None:
    sales = base.read(base.csv([*base.rows, (base.days[10], "Brot", minus)]))
    assert sales.series[0].values[10] == base.twin().series[0].values[10] - 3
