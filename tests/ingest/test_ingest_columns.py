from typing import Any

import pytest

from levain_training.ingest.columns import SYNONYMS, normalise


@pytest.mark.parametrize(
    "head",
    [
        "ds,unique_id,y",
        "Datum,Artikel,Menge",
        "DATE,PRODUCT,QUANTITY",
        "Jour,Produit,Quantité",
        "fecha,artículo,cantidad",
        "Tag,Bezeichnung,Stück",
        " date , product , quantity ",
        "Sale Date,item-name,units_sold",
        '"date","product","quantity"',
    ],
)
def test_usual_names_are_found_in_any_spelling(base: Any, head: str) -> None:
    assert base.read(base.csv(head=head)).series == base.twin().series


def test_every_usual_name_is_written_as_it_is_looked_up() -> None:
    assert all(normalise(name) == name for names in SYNONYMS.values() for name in names)


def test_no_usual_name_stands_for_two_columns() -> None:
    names = [name for group in SYNONYMS.values() for name in group]
    assert len(names) == len(set(names))


def test_the_options_name_any_column(base: Any) -> None:
    mapping = {"date": "when", "product": "What", "quantity": "how many"}
    sales = base.read(base.csv(head="when,what,how many"), columns=mapping)
    assert sales.series == base.twin().series
    assert sales.report.columns == {"date": "when", "product": "what", "quantity": "how many"}


def test_our_own_name_wins_over_a_usual_one(base: Any) -> None:
    sales = base.read(base.csv(head="date,product,quantity,sales,name", line=lambda d, p, q: f"{d},{p},{q},9.90,x"))
    assert sales.series == base.twin().series
    assert sales.report.notes == ("columns not used: sales, name",)


@pytest.mark.parametrize(
    ("head", "role"), [("when,product,quantity", "date"), ("date,what,quantity", "product"), ("date,product,price", "quantity")]
)
def test_a_missing_column_is_named_with_the_header_and_the_option(base: Any, head: str, role: str) -> None:
    error = base.refused(base.csv(head=head))
    assert error.code == "missing_column"
    assert f"no {role} column" in error.message
    assert f"columns.{role}" in error.message
    assert all(f"'{name}'" in error.message for name in head.split(","))


def test_two_candidates_for_one_column_are_asked_about(base: Any) -> None:
    text = base.csv(head="date,article,sku,quantity", line=lambda d, p, q: f"{d},{p},7,{q}")
    error = base.refused(text)
    assert error.code == "ambiguous_column"
    assert "'article', 'sku'" in error.message
    assert "columns.product" in error.message
    assert base.read(text, columns={"product": "article"}).series == base.twin().series


def test_a_column_twice_in_the_header_is_asked_about(base: Any) -> None:
    assert base.refused(base.csv(head="date,product,date", line=lambda d, p, q: f"{d},{p},{d}")).code == "ambiguous_column"


def test_an_option_that_names_no_column_is_refused(base: Any) -> None:
    error = base.refused(base.csv(), columns={"shop": "filiale"})
    assert (error.code, "columns.shop" in error.message) == ("missing_column", True)


def test_one_column_for_two_purposes_is_refused(base: Any) -> None:
    error = base.refused(base.csv(), columns={"shop": "product", "product": "product"})
    assert (error.code, "columns.shop" in error.message) == ("ambiguous_column", True)


def test_a_file_without_a_header_is_refused_as_such(base: Any) -> None:
    error = base.refused(base.csv().split("\n", 1)[1])
    assert error.code == "no_header"
    assert "2023-01-01,Brot,24" in error.message


def test_one_column_per_day_is_refused_as_such(base: Any) -> None:
    head = ",".join(["product", *(str(day) for day in base.days[:30])])
    assert base.refused(head + "\nBrot" + ",3" * 30 + "\n").code == "wide_table"


def test_a_wide_header_is_listed_in_part(base: Any) -> None:
    head = ",".join(f"column number {i}" for i in range(200))
    error = base.refused(head + "\n" + ",".join(["1"] * 200) + "\n")
    assert "and 188 more" in error.message
