"""Trainers that misbehave on purpose: for tests of workers and of whole stacks, named by `LEVAIN_EXTRA_TRAINERS`.

`slow` takes the seconds that the product's name says (`Brot 0.5s`), else 0.3; `prints` writes to the standard streams.
`fails_some` fails products that start with `bad`, `kills` ends its process at `killer`, `kills_worker` its worker, `hangs` stops
for ever at `hanger`, `eats_memory` at `eater`.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator

from levain_contracts.tasks import FailedProduct, Forecast, Scores, Series, TrainedProduct, TrainingTask
from levain_training.forecasting.port import Trainer, TrainerPlan, WorkingOn

Result = TrainedProduct | FailedProduct
Step = Callable[[Series], None]

_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s\b")
_DEFAULT_SECONDS = 0.3
_MIB = 1024 * 1024


class RefusesProduct(Exception):
    pass


class EachAlone:
    """Does `step` at each product, then forecasts its mean."""

    def __init__(self, name: str, step: Step) -> None:
        self._name = name
        self._step = step

    def train(self, task: TrainingTask, working_on: WorkingOn) -> Iterator[Result]:
        for series in task.series:
            working_on(series.product_id)
            yield self._one(series, task)

    def _one(self, series: Series, task: TrainingTask) -> Result:
        started = time.perf_counter()
        try:
            self._step(series)
        except RefusesProduct as error:
            return FailedProduct(product_id=series.product_id, reason="refused", message=str(error))
        return mean_forecast(self._name, series, task, time.perf_counter() - started)


class WholeShop:
    """Learns from all products at once: says nothing of the product at work, and meets `step` before its first result."""

    def __init__(self, name: str, step: Step) -> None:
        self._name = name
        self._step = step

    def train(self, task: TrainingTask, working_on: WorkingOn) -> Iterator[Result]:
        for series in task.series:
            self._step(series)
        for series in task.series:
            yield mean_forecast(self._name, series, task, 0.0)


def mean_forecast(name: str, series: Series, task: TrainingTask, train_seconds: float) -> TrainedProduct:
    known = [v for v in series.values if v is not None]
    days = [max(sum(known) / len(known), 0.0) if known else 0.0] * task.horizon_days
    return TrainedProduct(
        product_id=series.product_id,
        forecast=Forecast(start=task.forecast_start, mean=days, lo80=days, hi80=days),
        scores=Scores(undefined=dict.fromkeys(("wape", "mase", "bias", "coverage80", "naive_wape", "naive_mase"), "no_backtest")),
        model={"schema_version": 1, "trainer": name, "dataset_sha256": task.dataset_sha256, "config": {}},
        train_seconds=train_seconds,
    )


def _nothing(series: Series) -> None:
    pass


def _sleep(series: Series) -> None:
    found = _SECONDS.search(series.product)
    time.sleep(float(found[1]) if found else _DEFAULT_SECONDS)


def _refuse(series: Series) -> None:
    raise RefusesProduct(f"{series.product} can't be trained")


def _refuse_bad(series: Series) -> None:
    if series.product.startswith("bad"):
        _refuse(series)


def _kill(series: Series) -> None:
    if series.product.startswith("killer"):
        os.kill(os.getpid(), signal.SIGKILL)


def _kill_worker(series: Series) -> None:
    if series.product.startswith("killer"):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)  # until the kernel ends an orphan


def _hang(series: Series) -> None:
    while series.product.startswith("hanger"):
        time.sleep(60)


def _eat(series: Series) -> None:
    eaten = []
    while series.product.startswith("eater"):
        eaten.append(bytearray(16 * _MIB))


def _print(series: Series) -> None:
    print("a library's chatter", flush=True)  # noqa: T201
    os.write(1, b"\x00\x00\x00\x01e")
    if os.read(0, 1):
        raise RefusesProduct("standard input is not empty")


def _plan(name: str, step: Step, batch: int = 8) -> TrainerPlan:
    return TrainerPlan(name, "product", batch, lambda: EachAlone(name, step))


def _shop_plan(name: str, step: Step) -> TrainerPlan:
    return TrainerPlan(name, "shop", 256, lambda: WholeShop(name, step))


def _missing() -> Trainer:
    raise ImportError("No module named 'crystal_ball'")


INSTANT = _plan("instant", _nothing, 64)
SLOW = _plan("slow", _sleep)
SLOW_SHOP = _shop_plan("slow_shop", _sleep)
FAILS = _plan("fails", _refuse)
FAILS_SOME = _plan("fails_some", _refuse_bad)
KILLS = _plan("kills", _kill)
KILLS_SHOP = _shop_plan("kills_shop", _kill)
KILLS_WORKER = _plan("kills_worker", _kill_worker)
HANGS = _plan("hangs", _hang)
EATS_MEMORY = _plan("eats_memory", _eat)
PRINTS = _plan("prints", _print)
NOT_INSTALLED = TrainerPlan("not_installed", "product", 8, _missing)

_ALL = (INSTANT, SLOW, SLOW_SHOP, FAILS, FAILS_SOME, KILLS, KILLS_SHOP, KILLS_WORKER, HANGS, EATS_MEMORY, PRINTS, NOT_INSTALLED)
# The value of `LEVAIN_EXTRA_TRAINERS` that makes all of them known.
ALL_TRAINERS = ",".join(f"{plan.name}={__name__}:{plan.name.upper()}" for plan in _ALL)
