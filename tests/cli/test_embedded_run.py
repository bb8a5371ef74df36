"""`levain train` and `levain demo` with the stack that they start for themselves."""

import csv
import re
import shutil
from pathlib import Path

import pytest
from tests.cli.command import base_csv, run

CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")
COLOUR = re.compile(rb"\x1b\[[0-9;]*m")
DEAD_PROXY = "http://127.0.0.1:9"
FRENCH = Path(__file__).parents[3] / "shared" / "data" / "french_bakery_daily.csv"


def test_train_without_an_address_trains_on_a_stack_of_its_own_and_leaves_nothing_but_the_forecasts(folder: Path) -> None:
    temporary = folder / "temporary"
    temporary.mkdir()
    env = {"TMPDIR": str(temporary)}
    ran = run("train", "base.csv", "--model", "instant", "--forecasts", "out.csv", "--horizon", "5", cwd=folder, env=env)
    assert ran.code == 0, ran.error
    assert ran.lines[0].startswith("job job-")
    assert "completed: 2 of 2 products trained" in ran.out.decode()
    assert not CONTROL.search(ran.out)
    rows = list(csv.DictReader((folder / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert list(rows[0]) == ["product", "date", "mean", "lo80", "hi80"]
    assert [(r["product"], r["date"]) for r in rows] == [(p, f"2024-02-{5 + n:02d}") for p in ("Brot", "Croissant") for n in range(5)]
    assert sorted(p.name for p in folder.iterdir()) == ["base.csv", "out.csv", "temporary"]
    assert not list(temporary.iterdir())


def test_a_socks_proxy_for_everything_and_a_stream_that_is_not_utf8_change_nothing(folder: Path) -> None:
    (folder / "c.csv").write_text(base_csv((("Crème brûlée ✓", 0), ("[bold]Tarte[/]", 1))), encoding="utf-8")
    more = {"ALL_PROXY": "socks5://127.0.0.1:9", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C", "FORCE_COLOR": "1"}
    ran = run("train", "c.csv", "--model", "fails_some", "--forecasts", "o.csv", cwd=folder, env=more)
    assert ran.code == 0, ran.error
    assert ran.out.isascii()
    assert not CONTROL.search(ran.out)
    text = (folder / "o.csv").read_text(encoding="utf-8")
    assert "Crème brûlée ✓," in text
    assert "[bold]Tarte[/]," in text


def test_demo_off_a_terminal_ends_by_itself_behind_a_dead_proxy_and_forced_colour_only_colours(tmp_path: Path) -> None:
    more = {"HTTP_PROXY": DEAD_PROXY, "http_proxy": DEAD_PROXY, "FORCE_COLOR": "1"}
    ran = run("demo", "--model", "instant", cwd=tmp_path, env=more)
    assert ran.code == 0, ran.error
    assert COLOUR.search(ran.out)
    plain = COLOUR.sub(b"", ran.out)
    assert not CONTROL.search(plain)
    text = plain.decode()
    assert re.search(r"completed: \d+ of \d+ products trained \(1 failed\)", text)
    assert "units/day" in text
    assert "too_little_history" in text
    assert "forecast   ░ 80 % interval" in text
    assert re.search(r"^open  http://127\.0\.0\.1:\d+/$", text, re.MULTILINE)
    assert re.search(r"^token eyJ[\w.-]+$", text, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_file_ends_with_2_and_one_line_that_names_its_line(folder: Path) -> None:
    (folder / "bad.csv").write_text("date,product,quantity\n13/01/2023,Brot,1\n01/13/2023,Brot,2\n")
    ran = run("train", "bad.csv", "--model", "instant", "--forecasts", "out.csv", cwd=folder)
    assert ran.code == 2
    assert re.fullmatch(r"levain: bad\.csv: .*line 2.*line 3.*--date-format.*\n", ran.error)
    assert not (folder / "out.csv").exists()


def test_a_job_whose_products_all_fail_ends_with_1_and_leaves_an_older_result_alone(folder: Path) -> None:
    (folder / "out.csv").write_text("older")
    ran = run("train", "base.csv", "--model", "fails", "--forecasts", "out.csv", cwd=folder)
    assert ran.code == 1
    assert "failed: Brot: refused" in ran.out.decode()
    assert "all_products_failed" in ran.lines[-1]
    assert (folder / "out.csv").read_text() == "older"


@pytest.mark.timeout(240)
@pytest.mark.skipif(not FRENCH.exists(), reason="the data set is not here")
def test_a_real_bakerys_file_completes(tmp_path: Path) -> None:
    shutil.copy(FRENCH, tmp_path / "sales.csv")
    ran = run("train", "sales.csv", "--forecasts", "out.csv", cwd=tmp_path, limit_seconds=220)
    assert ran.code == 0, ran.error
    assert re.search(r"completed: \d+ of 148 products trained", ran.out.decode())
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").startswith("product,date,mean,lo80,hi80\n")
