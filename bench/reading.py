"""A sales file to the series that trainers get, on one core / polars' own `read_csv` and `group_by` of the same file, the floor.

As a script, `python -m bench.reading SIDE FILE` runs one side and prints its CPU seconds without imports, and its largest size in MB.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from bench.report import Ratio

PRODUCTS, DAYS = 1500, 730
_WEEK = (20, 21, 22, 23, 28, 35, 24)


def run(rounds: int) -> list[Ratio]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sales.csv"
        write(path)
        ours, floor = [], []
        for _ in range(rounds):
            ours.append(_measured("ours", path))
            floor.append(_measured("floor", path))
    seconds, sizes = ([one[i] for one in ours] for i in (0, 1))
    what = f"reading {PRODUCTS:,} products x {DAYS} days, one core"
    return [
        Ratio(f"{what} / polars alone", "CPU s", seconds, [one[0] for one in floor], "<= 1"),
        Ratio(what, "MB at most", sizes, [], "<= 210"),
    ]


def write(path: Path) -> None:
    chance = random.Random(1)
    with path.open("w") as file:
        file.write("date,product,quantity\n")
        for n in range(DAYS):
            day = date(2022, 1, 1) + timedelta(days=n)
            usual = _WEEK[day.weekday()]
            file.writelines(f"{day},Produkt {p:04},{usual + p % 7 + chance.randint(-8, 8)}\n" for p in range(PRODUCTS))


def _measured(side: str, path: Path) -> tuple[float, float]:
    environment = {**os.environ, "POLARS_MAX_THREADS": "1"}
    command = [sys.executable, "-m", "bench.reading", side, str(path)]
    seconds, megabytes = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(megabytes)


def _ours(path: Path) -> Callable[[], None]:
    from levain_training.analysis_child import analyse

    order = json.dumps({"path": str(path), "reading": {}, "products": None}).encode()
    return lambda: analyse(order, lambda _: None)


def _floor(path: Path) -> Callable[[], None]:
    import polars as pl

    def read() -> None:
        sales = pl.read_csv(path, try_parse_dates=True)
        sales.group_by("product", "date").agg(pl.col("quantity").sum()).sort("product", "date")

    return read


def main() -> None:
    side, path = sys.argv[1], Path(sys.argv[2])
    work = {"ours": _ours, "floor": _floor}[side](path)
    before = time.process_time()
    work()
    print(time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


if __name__ == "__main__":
    main()
