"""`train`, `watch`, `forecast` and `token` against a stack that runs elsewhere."""

import csv
import json
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.command import Up, base_csv, environment, read_until, run, start, up

from levain_contracts import frames
from levain_contracts.ids import product_id
from levain_contracts.viewer import ViewerState, apply


@pytest.fixture
def dead_port() -> Iterator[int]:
    """Nobody listens there, and nobody else gets it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_json_lines_are_frames_from_snapshot_to_end_and_nothing_else(stack: Up) -> None:
    ran = stack.run("train", "base.csv", "--model", "instant", "--json", "--forecasts", "out.csv")
    assert ran.code == 0, ran.error
    got = [frames.decode(line) for line in ran.lines]
    assert all(got)
    kinds = [frame.type.value for frame in got if frame]
    assert kinds[0] == "snapshot"
    assert kinds[-1] == "completed"
    assert "forecasts written to out.csv" in ran.error
    state = ViewerState()
    for frame in got:
        assert frame
        state = apply(state, frame)
    assert (state.progress, state.products_completed, state.total_products) == (100, 2, 2)


def test_a_job_that_has_ended_shows_its_snapshot_and_its_end(stack: Up) -> None:
    job = stack.run("train", "base.csv", "--model", "instant").lines[0].split()[1]
    ran = stack.run("watch", job, "--json")
    assert ran.code == 0
    assert [json.loads(line)["type"] for line in ran.lines] == ["snapshot", "completed"]
    plain = stack.run("watch", job, LEVAIN_URL="", LEVAIN_TOKEN="", LEVAIN_DATA_DIR=str(stack.folder / "data"))
    assert plain.code == 0
    assert plain.lines[-1].startswith("completed: 2 of 2")


def test_letters_that_a_stream_can_not_hold_are_escaped_in_json(stack: Up) -> None:
    (stack.folder / "creme.csv").write_text(base_csv((("bad Crème ✓", 0), ("Brot", 0))), encoding="utf-8")
    ran = stack.run("train", "creme.csv", "--model", "fails_some", "--json", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert ran.code == 0
    assert ran.out.isascii()
    assert [failure["product"] for failure in json.loads(ran.lines[-1])["data"]["failures"]] == ["bad Crème ✓"]


def test_each_shop_has_its_own_series_and_a_forecast_is_found_by_name_and_shop(stack: Up) -> None:
    rows = base_csv().splitlines()
    text = "\n".join([f"{rows[0]},shop", *(f"{row},{shop}" for row in rows[1:] for shop in ("Nord", "Sued"))])
    (stack.folder / "shops.csv").write_text(text)
    token = stack.run("token", "--tenant", "shops", "--data-dir", "data").out.decode().strip()
    ran = stack.run("train", "shops.csv", "--model", "instant", "--forecasts", "shops_out.csv", LEVAIN_TOKEN=token)
    assert ran.code == 0, ran.error
    assert "repaired" not in ran.out.decode()
    out = list(csv.DictReader((stack.folder / "shops_out.csv").read_text(encoding="utf-8").splitlines()))
    assert list(out[0]) == ["shop", "product", "date", "mean", "lo80", "hi80"]
    assert {(r["shop"], r["product"]) for r in out} == {(s, p) for s in ("Nord", "Sued") for p in ("Brot", "Croissant")}
    assert all(20 <= float(r["mean"]) <= 40 for r in out)
    which = stack.run("forecast", "Brot", LEVAIN_TOKEN=token)
    assert which.code == 2
    assert "Nord, Sued" in which.error
    nord = stack.run("forecast", "Brot", "--shop", "Nord", LEVAIN_TOKEN=token)
    assert nord.code == 0
    assert nord.lines[0].startswith("Brot (Nord), trained ")
    assert nord.lines[-14].startswith("Mon 2024-02-05")


def test_a_forecast_is_found_by_its_products_id_and_a_missing_one_is_named(stack: Up) -> None:
    stack.run("train", "base.csv", "--model", "instant")
    assert stack.run("forecast", product_id(None, "Brot")).lines[0].startswith("Brot, trained ")
    missing = stack.run("forecast", "Nix da")
    assert missing.code == 2
    assert "Nix da" in missing.error


def test_the_forecasts_can_go_to_a_pipe(stack: Up) -> None:
    ran = stack.run("train", "base.csv", "--model", "instant", "--json", "--forecasts", "/dev/stderr")
    assert ran.code == 0
    assert "Brot,2024-02-05," in ran.error


def test_how_many_to_bake_is_a_column_of_the_file_and_of_a_forecast(stack: Up) -> None:
    (stack.folder / "prices.csv").write_text("product;cost;price\nBrot;0,30;1,20\nBrötli;0,2;1\n", encoding="utf-8")
    asked = ("--forecasts", "bake.csv", "--prices", "prices.csv")
    ran = stack.run("train", "base.csv", "--model", "instant", *asked)
    assert ran.code == 0, ran.error
    out = list(csv.DictReader((stack.folder / "bake.csv").read_text(encoding="utf-8").splitlines()))
    assert list(out[0]) == ["product", "date", "mean", "lo80", "hi80", "q25", "q50", "q75", "quantity"]
    assert all(float(r["quantity"]) == float(r["q75"]) for r in out if r["product"] == "Brot")
    assert {r["quantity"] for r in out if r["product"] == "Croissant"} == {""}
    assert ran.lines[-2].startswith("no price for 1 product (Croissant)")
    assert "Brötli" in ran.lines[-1]
    drawn = stack.run("forecast", "Brot", "--service-level", "0.75")
    assert drawn.code == 0
    assert all("  bake " in line for line in drawn.lines[-14:])
    assert "  bake " not in "".join(stack.run("forecast", "Brot").lines)
    nothing_said = stack.run("forecast", "Croissant", "--prices", "prices.csv")
    assert (nothing_said.code, "Croissant" in nothing_said.error) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "nofile.csv"), "nofile.csv"),
        (("train", "."), "directory"),
        (("train", "base.csv", "--horizon", "0"), "--horizon"),
        (("train", "base.csv", "--decimal", "x"), "decimal"),
        (("train", "base.csv", "--dataset", "A B"), "--dataset"),
        (("train", "base.csv", "--forecasts", "no/such/folder.csv"), "--forecasts"),
        (("train", "base.csv", "--forecasts", "data"), "--forecasts"),
        (("train", "base.csv", "--service-level", "0.8"), "--forecasts"),
        (("train", "base.csv", "--forecasts", "o.csv", "--service-level", "85"), "--service-level"),
        (("train", "base.csv", "--forecasts", "o.csv", "--prices", "base.csv"), "base.csv, line 1"),
        (("train", "base.csv", "--model", "nope"), "nope"),
        (("train", "base.csv", "--product-column", "nope"), "nope"),
        (("train", "empty.csv"), "empty"),
        (("watch", "job-nope"), "no such job"),
        (("watch", "A/B"), "A/B"),
        (("forecast", "x", "--tenant", "other"), "tenant"),
        (("token", "--role", "king"), "--role"),
        (("token", "--hours", "25"), "--hours"),
        (("nope",), "nope"),
    ],
)
def test_bad_usage_ends_with_2_and_says_what(stack: Up, arguments: tuple[str, ...], says: str) -> None:
    (stack.folder / "empty.csv").write_text("")
    ran = stack.run(*arguments)
    assert ran.code == 2, ran
    assert says in ran.error
    assert "Traceback" not in ran.error


def test_a_viewers_token_can_watch_but_not_train(stack: Up) -> None:
    job = stack.run("train", "base.csv", "--model", "instant").lines[0].split()[1]
    token = stack.run("token", "--role", "viewer", "--data-dir", "data").out.decode().strip()
    assert stack.run("watch", job, LEVAIN_TOKEN=token).code == 0
    refused = stack.run("train", "base.csv", LEVAIN_TOKEN=token)
    assert refused.code == 2
    assert "viewer" in refused.error


def test_an_invalid_token_is_refused_without_being_shown(stack: Up) -> None:
    for arguments in (("train", "base.csv"), ("watch", "job-1")):
        ran = stack.run(*arguments, LEVAIN_TOKEN="eyJ.geheim.x")
        assert ran.code == 2
        assert "token" in ran.error
        assert "geheim" not in ran.error + ran.out.decode()


def test_too_many_failures_end_with_1(stack: Up) -> None:
    (stack.folder / "bad.csv").write_text(base_csv((("bad one", 0), ("Brot", 0))))
    ran = stack.run("train", "bad.csv", "--model", "fails_some", "--max-failed-products", "0")
    assert ran.code == 1
    assert "too_many_failed_products" in ran.lines[-1]
    assert stack.run("train", "bad.csv", "--model", "fails_some").code == 0


def test_nobody_at_the_address_means_contact_lost(folder: Path, dead_port: int) -> None:
    ran = run("train", "base.csv", "--url", f"http://127.0.0.1:{dead_port}", "--token", "t", "--patience", "0.5", cwd=folder)
    assert ran.code == 3
    assert ran.error.count("\n") == 1
    assert f"http://127.0.0.1:{dead_port}" in ran.error


@pytest.mark.parametrize("command", [("train", "base.csv"), ("watch", "job-1"), ("forecast", "Brot")])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_dead_proxy_is_named_without_its_credentials(folder: Path, dead_port: int, command: tuple[str, ...], scheme: str) -> None:
    more = {f"{scheme}_proxy": f"http://user:geheim@127.0.0.1:{dead_port}"}
    ran = run(*command, "--url", f"{scheme}://levain.example", "--token", "t", "--patience", "0.2", cwd=folder, env=more)
    assert ran.code == 3
    assert ran.error.count("\n") == 1
    assert f"proxy http://127.0.0.1:{dead_port}" in ran.error
    assert "geheim" not in ran.error


def test_without_a_stack_watch_and_forecast_say_what_to_do(folder: Path) -> None:
    for command in (("watch", "job-1"), ("forecast", "Brot")):
        ran = run(*command, cwd=folder)
        assert ran.code == 2
        assert "levain up" in ran.error


def test_a_wrong_setting_ends_with_78_and_its_name(folder: Path) -> None:
    for more in ({"LEVAIN_TOKEN_SECRET": "short"}, {"LEVAIN_TOKEN_SECRET_FILE": "/no/such/file"}):
        for command in ("token", "up"):
            ran = run(command, cwd=folder, env=more)
            assert ran.code == 78
            assert "LEVAIN_TOKEN_SECRET" in ran.error
            assert "short" not in ran.error
            assert ran.error.count("\n") == 1


def test_variables_that_kubernetes_injects_are_no_settings(folder: Path) -> None:
    secret = folder / "secret"
    secret.write_text("s" * 40)
    injected = {f"LEVAIN_{name}": "tcp://10.0.0.1:80" for name in ("PORT", "GATEWAY_PORT", "TRAINING_PORT", "RABBITMQ_PORT")}
    ran = run("token", cwd=folder, env=injected | {"LEVAIN_TOKEN_SECRET_FILE": str(secret)})
    assert ran.code == 0
    assert ran.out.startswith(b"eyJ")


def test_a_reader_that_leaves_ends_the_command_quietly(stack: Up) -> None:
    (stack.folder / "slow.csv").write_text(base_csv(tuple((f"Brot {n} 0.05s", n) for n in range(20)), days=60))
    process = start("train", "slow.csv", "--model", "slow", cwd=stack.folder, env=stack.env)
    read_until(process, b"job ")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(20) == 141


def test_closed_standard_streams_are_no_trouble(stack: Up) -> None:
    env = environment(stack.env)
    command = f"exec {sys.executable} -m levain train base.csv --model instant --forecasts closed.csv <&- >&- 2>&-"
    assert subprocess.run(["/bin/sh", "-c", command], cwd=stack.folder, env=env, timeout=50, check=False).returncode == 0
    assert (stack.folder / "closed.csv").read_text().startswith("product,")


def test_an_output_that_can_not_be_written_is_no_loss_of_contact(stack: Up) -> None:
    ran = stack.run("train", "base.csv", "--model", "instant", "--forecasts", "/dev/full")
    assert ran.code == 2
    assert "No space left" in ran.error
    command = f"exec {sys.executable} -m levain train base.csv --model instant > /dev/full"
    told = subprocess.run(
        ["/bin/sh", "-c", command], cwd=stack.folder, env=environment(stack.env), timeout=50, check=False, stderr=subprocess.PIPE
    )
    assert told.returncode == 1
    assert told.stderr == b"levain: the output can't be written: No space left on device\n"


def test_what_a_killed_stack_left_behind_is_not_taken_for_a_stack(folder: Path) -> None:
    with up(folder) as killed:
        killed.process.kill()
        killed.process.wait()
    assert (folder / "data" / "endpoint.json").exists()
    ran = run("watch", "job-1", "--data-dir", "data", cwd=folder)
    assert ran.code == 2
    assert "levain up" in ran.error


def test_the_data_directory_keeps_its_secret_to_its_owner(stack: Up) -> None:
    data = stack.folder / "data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "secret").stat().st_mode) == 0o600


def test_a_second_stack_can_not_take_the_same_folder_or_the_same_port(stack: Up) -> None:
    same = stack.run("up", "--data-dir", "data", "--listen", "127.0.0.1:0")
    assert same.code == 2
    assert "in use" in same.error
    port = stack.run("up", "--data-dir", "data2", "--listen", stack.url.removeprefix("http://"))
    assert port.code == 2
    assert "Address already in use" in port.error
    assert "Traceback" not in port.error


def test_help_names_every_command(folder: Path) -> None:
    ran = run("--help", cwd=folder)
    assert ran.code == 0
    assert all(command in ran.out.decode() for command in ("demo", "up", "train", "watch", "forecast", "token"))
