import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from levain_contracts.ids import is_id, product_id
from levain_contracts.model import Id

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=200)  # lone surrogates too
SHOPS = st.none() | ANY_TEXT


@pytest.mark.parametrize(
    ("shop", "product", "expected"),
    [
        (None, "Brot", "brot-"),
        ("Nord", "Brot", "brot-"),
        (None, "Crème brûlée ✓", "creme-brulee-"),
        (None, "PAIN AU CHOCOLAT (x2)", "pain-au-chocolat-x2-"),
        (None, "Tarte 22 cm / 8.5", "tarte-22-cm-8-5-"),
        (None, "../../etc/passwd", "etc-passwd-"),
        (None, "クロワッサン", ""),
        (None, "", ""),
        (None, "  ", ""),
        (None, "x" * 200, "x" * 40 + "-"),
        (None, "-" * 50 + "a", "a-"),
    ],
)
def test_a_product_id_begins_with_a_readable_part(shop: str | None, product: str, expected: str) -> None:
    made = product_id(shop, product)
    assert made[:-12] == expected
    assert set(made[-12:]) <= set("0123456789abcdef")


STABLE = {
    (None, "Brot"): "brot-dc324c1fbe3b",
    ("Nord", "Brot"): "brot-fe9c80e83d63",
    ("", "Brot"): "brot-ec0e492af14a",
    (None, "brot"): "brot-70552944430e",
    (None, "Crème brûlée"): "creme-brulee-bea1ce96e20a",
    (None, "TRADITIONAL BAGUETTE"): "traditional-baguette-a45d4152810a",
    (None, "NA"): "na-d3e8887f1ce4",
    (None, "クロワッサン"): "9ad94511e720",
}


@pytest.mark.parametrize(("shop", "product"), STABLE)
def test_product_ids_never_change(shop: str | None, product: str) -> None:
    assert product_id(shop, product) == STABLE[shop, product]


@given(SHOPS, ANY_TEXT)
def test_a_product_id_is_always_a_valid_id(shop: str | None, product: str) -> None:
    made = product_id(shop, product)
    assert is_id(made)
    assert TypeAdapter(Id).validate_python(made) == made
    assert made == product_id(shop, product)


@given(st.sets(st.tuples(SHOPS, ANY_TEXT), min_size=2, max_size=20))
def test_different_series_have_different_ids(series: set[tuple[str | None, str]]) -> None:
    assert len({product_id(*s) for s in series}) == len(series)


def test_names_that_look_alike_and_shops_that_run_into_names_stay_apart() -> None:
    pairs = [(None, "a b"), (None, "a-b"), (None, "A B"), ("a", "b"), ("", "b"), (None, "b"), ("null", "b"), ("a b", ""), ("a", ' b", "')]
    assert len({product_id(*p) for p in pairs}) == len(pairs)


@pytest.mark.parametrize("text", ["a", "0", "a-b", "a" * 63, "9-"])
def test_these_are_ids(text: str) -> None:
    assert is_id(text)
    assert TypeAdapter(Id).validate_python(text) == text


@pytest.mark.parametrize("text", ["", "-a", "A", "a_b", "a.b", "a/b", "a" * 64, "a\n", "\na", "ä", "a b", "a%2f", "٣"])
def test_these_are_not_ids(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(ValidationError):
        TypeAdapter(Id).validate_python(text)


@given(st.text(max_size=70))
def test_both_checks_of_an_id_agree(text: str) -> None:
    try:
        TypeAdapter(Id).validate_python(text)
    except ValidationError:
        assert not is_id(text)
    else:
        assert is_id(text)
