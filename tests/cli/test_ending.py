"""How the command ends when it is told to: every phase, no traceback, no process left, the promised exit code."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.cli.command import Up, environment, read_until, slow_csv, start, up, wait_until_no_child_is_left

ENDS_WITHIN_SECONDS = 10.0
INTERRUPT, TERMINATE = signal.SIGINT, signal.SIGTERM


def end(process: "subprocess.Popen[bytes]", number: signal.Signals) -> tuple[int, str]:
    """Its exit code and standard error, once it and all its children have ended in time."""
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    try:
        code = process.wait(ENDS_WITHIN_SECONDS)
    finally:
        process.kill()
    assert process.stderr is not None
    assert process.stdout is not None
    error = process.stderr.read().decode()
    process.stderr.close()
    process.stdout.close()
    wait_until_no_child_is_left(children)
    return code, error


@pytest.mark.parametrize(
    ("after_seconds", "number"),
    [(0.2, INTERRUPT), (0.5, TERMINATE), (0.9, INTERRUPT), (1.2, TERMINATE), (1.6, INTERRUPT), (2.2, TERMINATE)],
)
def test_a_signal_while_the_stack_starts_ends_it_quietly(folder: Path, number: signal.Signals, after_seconds: float) -> None:
    (folder / "slow.csv").write_text(slow_csv(20, 1.0))
    process = start("train", "slow.csv", "--model", "slow", cwd=folder)
    time.sleep(after_seconds)
    code, error = end(process, number)
    assert error == ""
    assert code == 128 + number


@pytest.mark.parametrize(("phase", "number"), [(b"job ", INTERRUPT), (b"training ", TERMINATE), (b"2/20 products", INTERRUPT)])
def test_a_signal_in_the_middle_of_a_job_ends_everything(folder: Path, phase: bytes, number: signal.Signals) -> None:
    (folder / "slow.csv").write_text(slow_csv(20, 1.0))
    process = start("train", "slow.csv", "--model", "slow", "--forecasts", "out.csv", cwd=folder)
    read_until(process, phase)
    code, error = end(process, number)
    assert error == ""
    assert code == 128 + number
    assert not (folder / "out.csv").exists()


def test_a_client_that_is_ended_leaves_its_job_running(stack: Up) -> None:
    (stack.folder / "slow.csv").write_text(slow_csv(6, 0.3))
    process = start("train", "slow.csv", "--model", "slow", cwd=stack.folder, env=stack.env)
    assert process.stdout is not None
    job = process.stdout.readline().split()[1].decode()
    assert end(process, INTERRUPT) == (130, "")
    assert stack.run("watch", job).code == 0


def test_a_stack_that_is_restarted_goes_on_with_its_job_and_the_client_comes_back(tmp_path: Path) -> None:
    (tmp_path / "slow.csv").write_text(slow_csv(16, 0.3))
    with up(tmp_path) as first:
        client = start("train", "slow.csv", "--model", "slow", "--forecasts", "out.csv", cwd=tmp_path, env=first.env)
        read_until(client, b"3/16 products")
    assert first.process.returncode == 143
    assert not (tmp_path / "data" / "endpoint.json").exists()
    port = first.url.rpartition(":")[2]
    with up(tmp_path, "--listen", f"127.0.0.1:{port}"):
        out, error = client.communicate(timeout=40)
    assert client.returncode == 0, error
    assert b"contact lost: the server restarts; trying again" in out
    assert b"completed: 16 of 16 products trained" in out
    assert (tmp_path / "out.csv").read_text().count("\n") == 16 * 14 + 1
    assert "Traceback" not in (tmp_path / "up.err").read_text()


def on_terminal(*arguments: str, cwd: Path, until: bytes) -> tuple[int, bytes]:
    """Runs it on a terminal, presses Ctrl-C once `until` was written; the exit code and all that it wrote."""
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.chdir(cwd)
        os.execve(sys.executable, [sys.executable, "-m", "levain", *arguments], environment({"TERM": "xterm-256color"}))
    written, pressed, give_up = b"", False, time.monotonic() + 45
    while time.monotonic() < give_up:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            part = os.read(terminal, 65536)
        except OSError:  # EIO: the other end is closed
            break
        written += part
        if until in written and not pressed:
            pressed = True
            os.write(terminal, b"\x03")
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), written


def test_demo_on_a_terminal_draws_bars_and_stays_until_ctrl_c(tmp_path: Path) -> None:
    code, written = on_terminal("demo", "--model", "instant", cwd=tmp_path, until=b"Ctrl-C ends it.")
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", written).decode()
    assert code == 0
    assert "overall" in text
    assert "100 %" in text
    assert "31/31 products, 1 failed" in text
    assert "completed: 30 of 31 products trained" in text
    assert "Traceback" not in text
    assert written.rfind(b"\x1b[?25h") > written.rfind(b"\x1b[?25l")  # the cursor is back
    widest = max(len(line) for line in text.replace("\r", "\n").splitlines() if not line.startswith("token"))
    assert widest <= 80


def test_ctrl_c_in_the_middle_of_the_bars_brings_the_cursor_back(folder: Path) -> None:
    (folder / "slow.csv").write_text(slow_csv(20, 1.0))
    code, written = on_terminal("train", "slow.csv", "--model", "slow", cwd=folder, until=b"0/20 products")
    assert code == 130
    assert b"Traceback" not in written
    assert written.rfind(b"\x1b[?25h") > written.rfind(b"\x1b[?25l")


HANGING = """
import asyncio, sys
from levain.runner import run
async def main():
    print("up", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        print("stopping", flush=True)
        await asyncio.sleep(60)
run(main)
"""


def test_a_second_ctrl_c_ends_at_once() -> None:
    with subprocess.Popen([sys.executable, "-c", HANGING], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        read_until(process, b"up")
        process.send_signal(INTERRUPT)
        read_until(process, b"stopping")
        process.send_signal(INTERRUPT)
        assert process.wait(5) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_stop_that_hangs_is_cut_off() -> None:
    script = f"import levain.runner as r; r.STOP_SECONDS = 0.5\n{HANGING}"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        read_until(process, b"up")
        process.send_signal(TERMINATE)
        assert process.wait(8) == 143
