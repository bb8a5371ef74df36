"""Runs the real command in a process of its own, in an environment of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import IO, NamedTuple

import psutil

from levain_training.forecasting.testing import ALL_TRAINERS

NOTHING: Mapping[str, str] = {}
LIMIT_SECONDS = 50.0
_WEEK = [20, 21, 22, 23, 28, 35, 24]
DAYS = [date(2023, 1, 1) + timedelta(i) for i in range(400)]


class Ran(NamedTuple):
    code: int
    out: bytes
    err: bytes

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()

    @property
    def error(self) -> str:
        return self.err.decode()


def environment(more: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """What a user's shell has, without anything of ours or of a proxy's."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH", "LV_SHIM") if name in os.environ}
    # Whether the page was built in this checkout is not to matter.
    return kept | {"LEVAIN_EXTRA_TRAINERS": ALL_TRAINERS, "LEVAIN_STATIC_DIR": "off", "PYTHONUTF8": "1", **more}


def start(
    *arguments: str, cwd: Path, env: Mapping[str, str] = NOTHING, err: int | IO[bytes] = subprocess.PIPE
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "levain", *arguments],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=err,
        preexec_fn=_heed_sigint,
    )


def _heed_sigint() -> None:
    """A shell that runs the tests in the background has made them ignore it, which children inherit."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(*arguments: str, cwd: Path, env: Mapping[str, str] = NOTHING, limit_seconds: float = LIMIT_SECONDS) -> Ran:
    process = start(*arguments, cwd=cwd, env=env)
    try:
        out, err = process.communicate(timeout=limit_seconds)
    finally:
        process.kill()
        process.wait()
    return Ran(process.returncode, out, err)


class Up(NamedTuple):
    url: str
    token: str
    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def env(self) -> dict[str, str]:
        return {"LEVAIN_URL": self.url, "LEVAIN_TOKEN": self.token}

    def run(self, *arguments: str, **env: str) -> Ran:
        """A client command on this stack."""
        return run(*arguments, cwd=self.folder, env=self.env | env)


@contextmanager
def up(folder: Path, *arguments: str) -> Iterator[Up]:
    with (folder / "up.err").open("wb") as err:
        process = start("up", "--data-dir", str(folder / "data"), "--listen", "127.0.0.1:0", *arguments, cwd=folder, err=err)
        assert process.stdout is not None
        try:
            url = process.stdout.readline().decode().removeprefix("open").strip().rstrip("/")
            token = process.stdout.readline().decode().removeprefix("token").strip()
            assert url.startswith("http://"), (folder / "up.err").read_text()
            yield Up(url, token, folder, process)
        finally:
            process.terminate()
            try:
                process.wait(20)
            finally:
                process.kill()
                process.stdout.close()


def wait_until_no_child_is_left(children: list[psutil.Process], seconds: float = 5.0) -> None:
    _, left = psutil.wait_procs(children, timeout=seconds)
    assert not left


def read_until(process: "subprocess.Popen[bytes]", wanted: bytes, seconds: float = 30.0) -> None:
    """Reads lines of its standard output up to one that holds `wanted`."""
    assert process.stdout is not None
    until = time.monotonic() + seconds
    while (line := process.stdout.readline()) and time.monotonic() < until:
        if wanted in line:
            return
    raise AssertionError(f"{wanted!r} never came")


def base_csv(products: tuple[tuple[str, int], ...] = (("Brot", 0), ("Croissant", 3)), *, days: int = 400) -> str:
    """Weekly sales with their peak on Saturday; the forecast starts on Monday 2024-02-05."""
    rows = [f"{day},{name},{_WEEK[day.weekday()] + more}" for day in DAYS[-days:] for name, more in products]
    return "\n".join(["date,product,quantity", *rows]) + "\n"


def slow_csv(products: int, seconds: float) -> str:
    """For the trainer `slow`, which reads its time from the product's name."""
    return base_csv(tuple((f"Brot {n} {seconds}s", n) for n in range(products)), days=60)
