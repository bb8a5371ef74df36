"""Runs one task with one trainer and holds it to its port: whatever the trainer does, each product gets exactly one result."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from operator import le
from typing import Any, NamedTuple

from pydantic import ValidationError

from levain_contracts.model import clip
from levain_contracts.quantities import with_quartiles
from levain_contracts.tasks import FailedProduct, Forecast, TrainedProduct, TrainingTask
from levain_training.forecasting.port import Trainer

Result = TrainedProduct | FailedProduct

# Forecast and model together; far more than a few numbers a product would bloat messages and store.
MAX_RESULT_BYTES = 1024 * 1024


class Written(NamedTuple):
    """`text`: the result's JSON, as it was checked and may go out."""

    result: Result
    text: bytes


def run(trainer: Trainer, task: TrainingTask, working_on: Callable[[str], None]) -> Iterator[Result]:
    """One result per product of the task. `working_on` is passed on at most once per product. Lets `MemoryError` through."""
    return (written.result for written in written_results(trainer, task, working_on))


def written_results(trainer: Trainer, task: TrainingTask, working_on: Callable[[str], None]) -> Iterator[Written]:
    """As `run`."""
    waiting = {s.product_id: None for s in task.series}
    announced: set[str] = set()

    def announce(product_id: str) -> None:
        if product_id in waiting and product_id not in announced:
            announced.add(product_id)
            working_on(product_id)

    complaint = "the trainer ended without a result for this product"
    try:
        for item in trainer.train(task, announce):
            written = _checked(item, waiting, task)
            del waiting[written.result.product_id]
            yield written
    except _Violation as violation:
        complaint = str(violation)
    except MemoryError:
        raise
    except Exception as error:
        complaint = f"the trainer raised {type(error).__name__}: {error}"
    for product_id in waiting:
        yield _written(trainer_failed(product_id, complaint))


def trainer_failed(product_id: str, complaint: str) -> FailedProduct:
    return FailedProduct(product_id=product_id, reason="trainer_failed", message=clip(complaint))


class _Violation(Exception):
    """The trainer broke its port: nothing more that it says is believed."""


def _checked(item: Any, waiting: dict[str, None], task: TrainingTask) -> Written:
    if not isinstance(item, TrainedProduct | FailedProduct):
        raise _Violation(f"the trainer yielded a {type(item).__name__}, which is no result")
    if item.product_id not in waiting:
        raise _Violation(f"the trainer yielded {item.product_id} twice, or without being asked for it")
    try:
        if isinstance(item, TrainedProduct):
            _check_forecast(item.forecast, task)
        written = _check_message(item)
    except _Unusable as problem:
        return _written(trainer_failed(item.product_id, f"the trainer's result is unusable: {problem}"))
    if isinstance(item, FailedProduct) or item.forecast.q25 is not None:
        return written
    return _written(item.model_copy(update={"forecast": with_quartiles(item.forecast)}))


class _Unusable(Exception):
    """What is wrong with this one result."""


def _check_forecast(forecast: Forecast, task: TrainingTask) -> None:
    quartiles = [days for days in (forecast.q25, forecast.q50, forecast.q75) if days is not None]
    days = {len(forecast.mean), len(forecast.lo80), len(forecast.hi80), *map(len, quartiles)}
    if forecast.start != task.forecast_start or days != {task.horizon_days}:
        last = task.forecast_start + timedelta(days=task.horizon_days - 1)
        raise _Unusable(f"its forecast is not for the days from {task.forecast_start} to {last}")
    if not _rises(forecast.lo80, forecast.mean, forecast.hi80):
        raise _Unusable("its forecast lies outside its own interval")
    if not _rises(forecast.lo80, *quartiles, forecast.hi80):
        raise _Unusable("its quantiles fall: lo80 <= q25 <= q50 <= q75 <= hi80 is needed")
    if min(forecast.lo80) < 0:
        raise _Unusable("its forecast is negative")


def _rises(*curves: list[float]) -> bool:
    """On no day from one curve to the next does it fall, or is NaN."""
    return all(all(map(le, lower, upper)) for lower, upper in pairwise(curves))


def _check_message(result: Result) -> Written:
    """What was built around the contract's checks is found here, before the worker has to read it."""
    try:
        written = _written(result)
        type(result).model_validate_json(written.text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _Unusable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise _Unusable(f"it can't be written as JSON: {error}") from error
    if len(written.text) > MAX_RESULT_BYTES:
        raise _Unusable(f"it has {len(written.text)} bytes, more than {MAX_RESULT_BYTES}")
    return written


def _written(result: Result) -> Written:
    return Written(result, result.model_dump_json().encode())
