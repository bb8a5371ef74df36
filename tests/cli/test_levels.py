"""Which service level each product gets: from options, or from a file of prices whose mistakes are named with their line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levain.errors import BadInput
from levain.levels import Levels, levels, read_prices


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "prices.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_nothing_asked_is_nothing_said() -> None:
    assert levels(None, None, None, None) is None


def test_one_level_for_all_products_is_given_or_follows_from_cost_and_price() -> None:
    for asked in (levels(0.75, None, None, None), levels(None, 0.3, 1.2, None)):
        assert asked is not None
        assert asked.of("Nord", "Brot") == pytest.approx(0.75)


@given(st.floats(0.01, 100), st.floats(1.01, 50))
def test_the_level_is_the_share_of_the_price_that_is_earned(cost: float, times: float) -> None:
    asked = levels(None, cost, cost * times, None)
    assert asked is not None
    assert asked.everywhere == pytest.approx(1 - 1 / times)


@pytest.mark.parametrize(
    ("service_level", "cost", "price", "says"),
    [
        (85.0, None, None, "--service-level 85: give a share between 0 and 1"),
        (0.0, None, None, "--service-level 0"),
        (1.0, None, None, "--service-level 1"),
        (float("nan"), None, None, "--service-level nan"),
        (None, 0.4, None, "--cost and --price go together"),
        (None, None, 1.2, "--cost and --price go together"),
        (0.8, 0.4, 1.2, "not both"),
        (None, 1.2, 0.4, "--cost 1.2 --price 0.4"),
        (None, 0.0, 1.0, "a cost above 0"),
        (None, -1.0, 1.0, "--cost -1"),
        (None, float("nan"), 1.0, "--cost nan"),
        (None, 0.4, float("inf"), "--price inf"),
    ],
)
def test_what_can_not_be_meant_is_refused_by_the_options_name(
    service_level: float | None, cost: float | None, price: float | None, says: str
) -> None:
    with pytest.raises(BadInput) as refused:
        levels(service_level, cost, price, None)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "product,cost,price\nBrot,0.3,1.2\n\nTorte,9,12\n",
        "Price,Product,COST\r\n1.2,Brot,0.3\r\n12,Torte,9\r\n",
        "\ufeffproduct;cost;price\nBrot;0,3;1,2\nTorte;9;12\n",
        'product,cost,price,note\n"Brot","0,3","1,2",\nTorte,9,12,x\n',
    ],
)
def test_the_usual_ways_to_write_a_list_of_prices_are_understood(tmp_path: Path, text: str) -> None:
    found = read_prices(write(tmp_path, text))
    assert found == {(None, "Brot"): pytest.approx(0.75), (None, "Torte"): pytest.approx(0.25)}


def test_a_shops_own_price_comes_before_that_of_all_shops_and_the_option_before_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "product,cost,price,shop\nBrot,1,2,\nBrot,1,4,Nord\n")
    asked = levels(0.9, None, None, path)
    assert asked is not None
    assert [asked.of(*series) for series in (("Nord", "Brot"), ("Sued", "Brot"), (None, "Brot"), ("Nord", "Torte"))] == [
        0.75,
        0.5,
        0.5,
        0.9,
    ]
    assert Levels(None, asked.listed).of("Nord", "Torte") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: no column product and cost and price"),
        ("product,price\nBrot,2\n", "line 1: no column cost"),
        ("product,cost,price\n", "there is no line below the header"),
        ("product,cost,price\nBrot,1,2\nTorte,cheap,2\n", "line 3: cost 'cheap' is no number"),
        ("product,cost,price\nBrot,1,nan\n", "line 2: price 'nan' is no amount of money"),
        ("product,cost,price\nBrot,-1,2\n", "line 2: cost '-1' is no amount of money"),
        ("product,cost,price\nBrot,2,2\n", "line 2: a cost from 0 to below the price is needed"),
        ("product,cost,price\nBrot,0,2\n", "line 2: a cost above 0 is needed"),
        ("product,cost,price\n,1,2\n", "line 2: the product's name is missing"),
        ("product,cost,price\nBrot,0,3,1,2\n", "line 2: 5 fields where the header has 3"),
        ("product,cost,price\nBrot,1,2\nBrot,1,3\n", "line 3: 'Brot' has another cost or price further up"),
        ('product,cost,price\n"Brot\n', "line 2: unexpected end of data"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_prices(write(tmp_path, text))
    assert says in str(refused.value)
    assert "prices.csv" in str(refused.value)


def test_a_file_that_is_no_text_or_not_there_is_named(tmp_path: Path) -> None:
    for path, says in (
        (write(tmp_path, "product,cost,price\nCr\u00e8me,1,2\n", "latin-1"), "not UTF-8"),
        (tmp_path / "nix.csv", "No such file"),
    ):
        with pytest.raises(BadInput, match=says):
            read_prices(path)
