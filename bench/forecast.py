"""Accuracy and CPU of the trainers on real sales, against Prophet with its defaults and "same as last week"; and a cold process.

The data stays out of the project: `LEVAIN_BENCH_DATA` names a folder of CSV files (default: `../shared/data` beside the checkout).
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.job import sales, write_tasks
from bench.report import Ratio
from levain_contracts.reading import ReadingOptions
from levain_training.forecasting.rolling.measures import Measures, measure
from levain_training.forecasting.rolling.run import Outcome, Plan, backtest
from levain_training.ingest import Surroundings, read_sales

DATA = "LEVAIN_BENCH_DATA"
HORIZON_DAYS = 14
# Every day of the last year once: a season's turn makes six forecasts of a tourist town high or low together.
ORIGINS, STEP_DAYS = 26, 14
# Prophet is too slow for all of these: every fourth, and the same days of ours.
PROPHET_ORIGINS, PROPHET_STEP_DAYS = 6, 56
COLD_PRODUCTS, COLD_DAYS = 20, 730
# What the shop's job would say; Prophet's defaults know no holidays.
_COUNTRIES = {"french_bakery_daily": "FR"}
# WAPE against Prophet: what is asked on the bakery that we have; never clearly worse on any other.
_MUSTS = {
    ("french_bakery_daily", "smoothing"): "<= 0.80",
    ("french_bakery_daily", "blend"): "<= 0.75",
    ("french_bakery_daily", "auto"): "<= 0.75",
}
_ANY = "<= 1.03"
_CPU = {"smoothing": ">= 75", "blend": ">= 3"}

_COLD = """
import sys
from pathlib import Path
from levain_training.forecasting import calls
done = []
calls.train(Path(sys.argv[1]).read_bytes(), done.append)
assert len(done) == 20 and all(b'"trained"' in one for one in done), done[:1]
"""


def run(rounds: int) -> list[Ratio]:
    found = [_cold(rounds)]
    for path in _files():
        found += _of_file(path, rounds)
    return found


def _files() -> list[Path]:
    folder = Path(os.environ.get(DATA) or Path(__file__).parents[2] / "shared" / "data")
    files = sorted(folder.glob("*.csv"))
    if not files:
        print(f"no sales to forecast in {folder}: name a folder of CSV files by {DATA}", flush=True)
    return files


def _of_file(path: Path, rounds: int) -> list[Ratio]:
    """Accuracy is the same in each round, CPU is not."""
    known = read_sales(path, ReadingOptions(), Surroundings(HORIZON_DAYS, _COUNTRIES.get(path.stem)))

    def tried(model: str, against: Sequence[str], origins: int, step_days: int) -> Outcome:
        return backtest(known.series, known.calendars, known.forecast_start, Plan(model, against, HORIZON_DAYS, origins, step_days))

    rows: list[Ratio] = []
    peers = [tried("smoothing", ("prophet",), PROPHET_ORIGINS, PROPHET_STEP_DAYS) for _ in range(rounds)]
    prophet_seconds = [outcome.cpu_seconds["prophet"] for outcome in peers]
    for model in ("smoothing", "blend", "auto"):
        ours = peers if model == "smoothing" else [tried(model, (), PROPHET_ORIGINS, PROPHET_STEP_DAYS) for _ in range(rounds)]
        year = measure(tried(model, (), ORIGINS, STEP_DAYS).held, model)
        rows += _accuracy(path.stem, model, (measure(ours[0].held, model), measure(peers[0].held, "prophet")), year)
        if model in _CPU:
            seconds = [outcome.cpu_seconds[model] for outcome in ours]
            rows.append(Ratio(f"{path.stem}: Prophet / {model}, fit and forecast", "CPU s", prophet_seconds, seconds, _CPU[model]))
    return rows


def _accuracy(name: str, model: str, side_by_side: tuple[Measures, Measures], year: Measures) -> list[Ratio]:
    """`side_by_side`: ours and Prophet's on the same days."""
    ours, prophet = (each.wape for each in side_by_side)
    if None in (ours, prophet, year.wape, year.bias, year.coverage80, year.wape_to_naive):
        print(f"{name}: {model} has no day to be tested on", flush=True)
        return []
    return [
        Ratio(f"{name}: {model} / Prophet", "WAPE", _one(ours), _one(prophet), _MUSTS.get((name, model), _ANY)),
        Ratio(f"{name}: {model} / last week, a year", "WAPE", _one(year.wape_to_naive), [], "<= 0.82"),
        Ratio(f"{name}: {model}, at least inside the 80 % interval, a year", "share", _one(year.coverage80), [], ">= 0.75"),
        Ratio(f"{name}: {model}, at most inside the 80 % interval, a year", "share", _one(year.coverage80), [], "<= 0.85"),
        Ratio(f"{name}: {model}, bias of the total, a year", "share", [abs(value) for value in _one(year.bias)], [], "<= 0.05"),
    ]


def _one(value: float | None) -> list[float]:
    return [] if value is None else [value]


def _cold(rounds: int) -> Ratio:
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        ((task,),) = write_tasks(sales([f"Product {i:03}" for i in range(COLD_PRODUCTS)], COLD_DAYS), 1, Path(folder), "smoothing")
        for _ in range(rounds):
            before = os.times()
            environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            subprocess.run([sys.executable, "-c", _COLD, str(task)], env=environment, check=True)
            after = os.times()
            seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return Ratio(f"cold process, {COLD_PRODUCTS} products, smoothing, to done", "CPU s", seconds, [], "<= 0.5")
