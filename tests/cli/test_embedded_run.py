"""`levain train` and `levain demo` with the stack that they start for themselves."""

import csv
import json
import re
import shutil
import socket
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest
from tests.cli.command import base_csv, run, start, up

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


def test_demo_tells_the_pages_address_with_a_token_that_opens_it(tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("<title>Levain</title>")
    ran = run("demo", "--model", "instant", cwd=tmp_path, env={"LEVAIN_STATIC_DIR": str(page)})
    assert ran.code == 0, ran.error
    text = ran.out.decode()
    links = re.findall(r"^page  (http://127\.0\.0\.1:\d+/)#token=(eyJ[\w.-]+)$", text, re.MULTILINE)
    assert len(links) == 2  # before the training, to watch it, and at the end
    assert links[0] == links[1]
    assert f"open  {links[0][0]}\ntoken {links[0][1]}\n" in text
    ran = run("demo", "--model", "instant", cwd=tmp_path, env={"LEVAIN_STATIC_DIR": str(tmp_path / "none")})
    assert (ran.code, ran.error) == (78, f"levain: LEVAIN_STATIC_DIR ('{tmp_path / 'none'}'): there is no such folder\n")


def test_up_serves_the_page_at_the_link_that_it_tells(tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("<title>Levain</title>")
    process = start("up", "--listen", "127.0.0.1:0", cwd=tmp_path, env={"LEVAIN_STATIC_DIR": str(page)})
    try:
        assert process.stdout is not None
        said = dict(process.stdout.readline().decode().split() for _ in range(3))
        assert said["page"] == f"{said['open']}#token={said['token']}"
        with urllib.request.urlopen(said["page"]) as answer:
            assert answer.read() == b"<title>Levain</title>"
    finally:
        process.terminate()
        process.communicate(timeout=20)


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


def test_train_takes_a_calendar_a_country_and_ticket_lines_of_utc(folder: Path) -> None:
    (folder / "tickets.csv").write_text(
        "sold,item\n" + "".join(f"2024-0{1 + i // 28}-{1 + i % 28:02}T{4 + i % 7:02}:0{k}:00Z,Brot\n" for i in range(112) for k in range(9))
    )
    (folder / "days.csv").write_text("date,status,label\n2024-05-01,closed,Ferien\n")
    options = ("--calendar", "days.csv", "--country", "DE", "--time-zone", "Europe/Berlin", "--cut-over-hour", "3", "--date-column", "sold")
    ran = run("train", "tickets.csv", "--model", "instant", *options, cwd=folder)
    assert ran.code == 0, ran.error
    text = ran.out.decode()
    assert "completed: 1 of 1 product trained" in text
    assert "converted to Europe/Berlin" in text
    assert "public holidays of DE" in text
    (folder / "days.csv").write_text("date,status,label\n2024-05-01,shut,Ferien\n")
    ran = run("train", "tickets.csv", "--model", "instant", *options, cwd=folder)
    assert (ran.code, "calendar: status 'shut' on line 2" in ran.error) == (2, True)
    ran = run("train", "tickets.csv", "--model", "instant", "--subdivision", "BY", cwd=folder)
    assert (ran.code, "a subdivision needs its country" in ran.error) == (2, True)


def test_up_tells_the_metrics_of_all_its_parts_on_a_port_of_its_own(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        url = logged(tmp_path)["url"]
        text = urllib.request.urlopen(url, timeout=10).read().decode()
        for name in (
            "levain_gateway_websockets_open 0.0",
            "levain_training_viewers 0.0",
            "levain_worker_slots",
            "levain_training_consumer_up 1.0",
        ):
            assert f"\n{name}" in text
        with pytest.raises(HTTPError, match="404"):
            urllib.request.urlopen(f"{running.url}/metrics", timeout=10)
        (target,) = json.loads(Path(logged(tmp_path)["targets"]).read_text())
        assert target["targets"] == [url.removeprefix("http://").removesuffix("/metrics")]


def test_up_tells_no_metrics_where_they_are_off_and_says_which_address_can_not_be_had(tmp_path: Path) -> None:
    with up(tmp_path, "--metrics", "off"):
        assert "metrics are told" not in (tmp_path / "up.err").read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = run("up", "--data-dir", "data", "--listen", "127.0.0.1:0", "--metrics", address, cwd=tmp_path)
    assert (ran.code, f"can't listen on {address}" in ran.error, "--metrics" in ran.error) == (2, True, True)
    for wrong, says in ((("--metrics", "here"), "--metrics 'here'"), (("--scale", "--metrics", "off"), "without --scale")):
        ran = run("up", "--data-dir", "data", *wrong, cwd=tmp_path)
        assert (ran.code, says in ran.error) == (2, True), ran.error


def logged(folder: Path) -> dict[str, str]:
    line: dict[str, str]
    (line,) = (line for line in map(json.loads, (folder / "up.err").read_text().splitlines()) if line["message"] == "metrics are told")
    return line
