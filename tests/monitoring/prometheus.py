"""A private Prometheus, as Debian has it: a port and data of its own."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from levain.scaled.ports import free_port
from levain.scaled.program import Program

Json = Any

_START_SECONDS = 20.0


def missing() -> bool:
    return shutil.which("prometheus") is None or shutil.which("promtool") is None


def promtool(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["promtool", *arguments], input=given, capture_output=True, check=False, timeout=30)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


class Window(NamedTuple):
    """Unix seconds."""

    start: float
    end: float


class Refused(Exception):
    """What Prometheus said of an expression."""


class Prometheus:
    def __init__(self, config: Path, folder: Path) -> None:
        self._port = free_port()
        self._command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
        self._command += [f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=warn"]
        self._program = Program("Prometheus", folder / "prometheus.log")

    def start(self) -> None:
        self._program.start(self._command, {"PATH": "/usr/bin:/bin"})
        self._program.wait_until(self._ready, _START_SECONDS)

    def stop(self) -> None:
        self._program.stop()

    def ask(self, what: str, **parameters: str | float) -> Json:
        """The `data` of an answer. Raises `Refused`."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{what}?{urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise Refused(json.load(error)["error"]) from None

    def series(self, selector: str, window: Window) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.ask("series", **{"match[]": selector}, start=window.start, end=window.end)
        return found

    def values(self, expression: str, window: Window) -> list[float]:
        """All samples of all series, one each second."""
        found = self.ask("query_range", query=expression, start=window.start, end=window.end, step=1)
        return [float(value) for series in found["result"] for _, value in series["values"]]

    def until_up(self, names: set[str], seconds: float = 20) -> None:
        """Until just these pods are scraped, and all answer."""
        deadline = time.monotonic() + seconds
        while (found := {r["metric"].get("pod", ""): r["value"][1] for r in self.ask("query", query="up")["result"]}) != dict.fromkeys(
            names, "1"
        ):
            assert time.monotonic() < deadline, found
            time.sleep(0.2)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
