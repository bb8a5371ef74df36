"""What the forecasting tests share: the BASE bakery, and tasks around series."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta

from levain_contracts.tasks import ResultChunk, Series, ShopCalendar, TrainedProduct, TrainingTask, encode

BASE_START = date(2023, 1, 1)
BASE_DAYS = 400
FORECAST_START = date(2024, 2, 5)  # a Monday
WEEK_UNITS = [20.0, 21.0, 22.0, 23.0, 28.0, 35.0, 24.0]  # Monday first
SATURDAY = 5


def series(name: str, units: Callable[[date], float | None], days: int = BASE_DAYS, shop: str | None = None) -> Series:
    """The last `days` days before the forecast."""
    start = FORECAST_START - timedelta(days=days)
    return Series(product_id=name, product=name, shop=shop, start=start, values=[units(start + timedelta(days=i)) for i in range(days)])


def base(extra: float = 0.0) -> Callable[[date], float | None]:
    return lambda day: WEEK_UNITS[day.weekday()] + extra


def task(some: Sequence[Series], *, calendars: Sequence[ShopCalendar] = (), horizon_days: int = 14, model: str = "ets") -> TrainingTask:
    return TrainingTask(
        tenant_id="north",
        job_id="job",
        batch=1,
        model=model,
        horizon_days=horizon_days,
        dataset_sha256="ab" * 32,
        forecast_start=FORECAST_START,
        calendars=list(calendars),
        series=list(some),
    )


_IN_A_CHILD = """
import sys
from levain_training.forecasting.calls import RESULT, train

results = []
train(sys.stdin.buffer.read(), lambda message: results.append(message[1:]) if message[:1] == RESULT else None)
sys.stdout.buffer.write(b'{"tenant_id":"t","job_id":"j","batch":1,"results":[' + b",".join(results) + b"]}")
"""


def train_in_a_process(order: TrainingTask, **variables: str) -> ResultChunk:
    """In a process of its own, as it is used: a library's import must not reach into the other tests."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_CHILD], input=encode(order), capture_output=True, check=True, env=environment, timeout=50
    )
    return ResultChunk.model_validate_json(done.stdout)


def trained(chunk: ResultChunk) -> dict[str, TrainedProduct]:
    return {r.product_id: r for r in chunk.results if isinstance(r, TrainedProduct)}
