"""`levain backtest` on files, and what it says of them."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.cli.command import base_csv, run


def test_a_table_compares_the_model_with_last_week_and_says_what_a_service_level_costs(folder: Path) -> None:
    ran = run("backtest", "base.csv", "--model", "smoothing", "--cost", "0.4", "--price", "1.2", "--origins", "2", cwd=folder)
    assert ran.code == 0, ran.error
    assert ran.lines[0] == "2 products, 2 origins of 14 days"
    assert [line.split()[0] for line in ran.lines[3:5]] == ["smoothing", "naive"]
    assert "service level of 66.7 %" in ran.out.decode()
    assert ran.lines[-2].split()[0] == "smoothing"
    assert ran.lines[-1].startswith("same as last week")


def test_json_is_one_object_that_any_reader_takes(folder: Path) -> None:
    """Field case D15: a perfect week has no MASE, and null is not NaN."""
    ran = run("backtest", "base.csv", "--json", "--service-level", "0.9", "--against", "naive", cwd=folder)
    assert ran.code == 0, ran.error

    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is no JSON")

    found = json.loads(ran.out, parse_constant=refuse)
    assert len(found["origins"]) == 4
    assert found["models"]["auto"]["mase"] is None
    assert found["models"]["auto"]["wape"] == pytest.approx(0, abs=1e-6)
    assert {one["product"] for one in found["products"]} == {"Brot", "Croissant"}
    assert found["baked"]["auto"].keys() == {"baked", "waste", "lost"}


def test_a_drawing_is_a_well_formed_svg_with_the_products_name(folder: Path) -> None:
    (folder / "c.csv").write_text(base_csv((("Käse & <Brot>", 0), ("Tarte", 9))), encoding="utf-8")
    ran = run("backtest", "c.csv", "--model", "smoothing", "--plot", "out.svg", "--product", "Käse & <Brot>", cwd=folder)
    assert ran.code == 0, ran.error
    root = ElementTree.fromstring((folder / "out.svg").read_bytes())
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Käse & <Brot>" in texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) >= 5 + 4 + 1 + 4


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--against", "magic"], "choose of naive, ets, prophet"),
        (["--plot", "out.png"], "ends in .svg"),
        (["--plot", "nowhere/out.svg"], "there is no directory"),
        (["--cost", "1"], "go together"),
        (["--cost", "2", "--price", "1"], "below the price"),
        (["--service-level", "1.5"], "between 0 and 1"),
        (["--model", "crystal_ball"], "known are: auto"),
        (["--model", "smoothing", "--plot", "out.svg", "--product", "Nix"], "no such product"),
        (["--decimal", "x"], "decimal"),
    ],
)
def test_a_wrong_option_is_named_in_one_line(folder: Path, options: list[str], word: str) -> None:
    ran = run("backtest", "base.csv", "--origins", "1", *options, cwd=folder)
    assert ran.code == 2
    assert word in ran.error
    assert len(ran.error.strip().splitlines()) == 1


def test_a_file_without_a_past_is_said_to_have_none(folder: Path) -> None:
    rows = (folder / "base.csv").read_text(encoding="utf-8").splitlines()
    (folder / "short.csv").write_text("\n".join([rows[0], *rows[-70:]]) + "\n", encoding="utf-8")  # 35 days of two products
    ran = run("backtest", "short.csv", "--model", "smoothing", "--origins", "1", cwd=folder)
    assert ran.code == 1
    assert "no product of short.csv has four weeks before the first of 1 origin" in ran.error
