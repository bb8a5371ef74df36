"""How many to bake, as a column of OUT.csv."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levain.baking import add_quantity
from levain.errors import CommandFailed
from levain.levels import Levels
from levain_contracts.quantities import LEVELS

HEAD = "shop,product,date,mean,lo80,hi80,q25,q50,q75"
DAYS = [
    "Nord,Brot,2024-02-05,20,10,30,15,20,25",
    'Nord,"Torte ""9"", rund",2024-02-05,2,0,4,1,2,3',
    "Sued,Brot,2024-02-05,40,30,50,35,40,45",
]


def added(levels: Levels, *lines: str) -> tuple[list[dict[str, str]], list[str]]:
    sink = io.StringIO()
    said = add_quantity([f"{line}\n" for line in lines], sink, levels)
    return list(csv.DictReader(io.StringIO(sink.getvalue()))), list(said.lines())


@pytest.mark.parametrize(("level", "column"), list(zip(LEVELS, ("lo80", "q25", "q50", "q75", "hi80"), strict=True)))
def test_at_a_level_that_the_forecast_has_the_quantity_is_its_quantile(level: float, column: str) -> None:
    rows, said = added(Levels(level), HEAD, *DAYS)
    assert [float(r["quantity"]) for r in rows] == [float(r[column]) for r in rows]
    assert list(rows[0]) == [*HEAD.split(","), "quantity"]
    assert rows[1]["product"] == 'Torte "9", rund'
    assert said == []


@given(st.floats(0.01, 0.98))
def test_a_higher_level_never_bakes_less(level: float) -> None:
    some, more = (added(Levels(wished), HEAD, *DAYS)[0] for wished in (level, level + 0.01))
    assert all(float(a["quantity"]) <= float(b["quantity"]) for a, b in zip(some, more, strict=True))


def test_each_product_gets_its_own_level_and_what_has_none_or_is_not_there_is_said() -> None:
    levels = Levels(None, {("Nord", "Brot"): 0.9, (None, "Brot"): 0.5, (None, "Brötli"): 0.5})
    rows, said = added(levels, HEAD, *DAYS)
    assert [r["quantity"] for r in rows] == ["30.0", "", "40.0"]
    assert said == [
        'no price for 1 product (Torte "9", rund (Nord)): the quantity stays empty there',
        "prices for 1 product (Brötli), of which there is no forecast",
    ]


def test_a_stack_that_gives_no_quartiles_is_named() -> None:
    with pytest.raises(CommandFailed, match="older"):
        added(Levels(0.5), "product,date,mean,lo80,hi80", "Brot,2024-02-05,20,10,30")
