"""Runs one task with one trainer and holds it to its port: whatever the trainer does, each product gets exactly one result."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from levain_contracts.model import clip
from levain_contracts.tasks import FailedProduct, Forecast, TrainedProduct, TrainingTask
from levain_training.forecasting.port import Trainer

Result = TrainedProduct | FailedProduct

# Forecast and model together; far more than a few numbers a product would bloat messages and store.
MAX_RESULT_BYTES = 1024 * 1024


def run(trainer: Trainer, task: TrainingTask, working_on: Callable[[str], None]) -> Iterator[Result]:
    """One result per product of the task. `working_on` is passed on at most once per product. Lets `MemoryError` through."""
    waiting = {s.product_id: None for s in task.series}
    announced: set[str] = set()

    def announce(product_id: str) -> None:
        if product_id in waiting and product_id not in announced:
            announced.add(product_id)
            working_on(product_id)

    complaint = "the trainer ended without a result for this product"
    try:
        for item in trainer.train(task, announce):
            result = _checked(item, waiting, task)
            del waiting[result.product_id]
            yield result
    except _Violation as violation:
        complaint = str(violation)
    except MemoryError:
        raise
    except Exception as error:
        complaint = f"the trainer raised {type(error).__name__}: {error}"
    for product_id in waiting:
        yield trainer_failed(product_id, complaint)


def trainer_failed(product_id: str, complaint: str) -> FailedProduct:
    return FailedProduct(product_id=product_id, reason="trainer_failed", message=clip(complaint))


class _Violation(Exception):
    """The trainer broke its port: nothing more that it says is believed."""


def _checked(item: Any, waiting: dict[str, None], task: TrainingTask) -> Result:
    if not isinstance(item, TrainedProduct | FailedProduct):
        raise _Violation(f"the trainer yielded a {type(item).__name__}, which is no result")
    if item.product_id not in waiting:
        raise _Violation(f"the trainer yielded {item.product_id} twice, or without being asked for it")
    problem = _problem_of_forecast(item.forecast, task) if isinstance(item, TrainedProduct) else None
    problem = problem or _problem_of_message(item)
    return trainer_failed(item.product_id, f"the trainer's result is unusable: {problem}") if problem else item


def _problem_of_forecast(forecast: Forecast, task: TrainingTask) -> str | None:
    days = {len(forecast.mean), len(forecast.lo80), len(forecast.hi80)}
    if forecast.start != task.forecast_start or days != {task.horizon_days}:
        last = task.forecast_start + timedelta(days=task.horizon_days - 1)
        return f"its forecast is not for the days from {task.forecast_start} to {last}"
    if not all(lo <= mean <= hi for lo, mean, hi in zip(forecast.lo80, forecast.mean, forecast.hi80, strict=True)):
        return "its forecast lies outside its own interval"
    return "its forecast is negative" if min(forecast.lo80) < 0 else None


def _problem_of_message(result: Result) -> str | None:
    """What was built around the contract's checks is found here, before the worker has to read it."""
    try:
        message = result.model_dump_json()
        type(result).model_validate_json(message)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except ValueError as error:
        return f"it can't be written as JSON: {error}"
    return f"it has {len(message)} bytes, more than {MAX_RESULT_BYTES}" if len(message) > MAX_RESULT_BYTES else None
