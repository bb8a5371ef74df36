"""For `skaffold dev`: runs a command from a copy of its sources below /live, and starts it anew when one of them changes."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

LIVE = Path("/live")


def copy_sources() -> None:
    for package in Path(sysconfig.get_path("purelib")).glob("levain*"):
        if package.is_dir() and package.suffix != ".dist-info" and not (LIVE / package.name).exists():
            shutil.copytree(package, LIVE / package.name, ignore=shutil.ignore_patterns("__pycache__"))


def newest() -> float:
    return max((file.stat().st_mtime for file in LIVE.rglob("*.py")), default=0.0)


def main(command: list[str]) -> None:
    copy_sources()
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    while not stopping:
        seen = newest()
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(LIVE)})
        while not stopping and newest() == seen:
            time.sleep(1)
        process.terminate()
        process.wait()


main(sys.argv[1:])
