"""What a child process does when it is asked to train: a task's bytes in, `working_on` marks and results out. The parent is `batch`."""

import gc
from collections.abc import Callable

from levain_contracts.model import clip
from levain_contracts.tasks import FailedProduct, TrainingTask, UnreadableWork, decode_task
from levain_logs import bound
from levain_training.forecasting import session
from levain_training.forecasting.port import Trainer
from levain_training.forecasting.registry import TrainerNotInstalled, TrainerNotLoadable, UnknownModel, plan_of

Emit = Callable[[bytes], None]

# The first byte of a message says what the rest is.
WORKING_ON, RESULT, UNREADABLE = b"w", b"r", b"u"

_loaded: dict[str, Trainer] = {}


def train(payload: bytes, emit: Emit) -> None:
    """Emits one result per product, whatever happens; a `MemoryError` ends the process. Of what is no task it says why."""
    try:
        task = decode_task(payload)
    except UnreadableWork as error:
        emit(UNREADABLE + clip(str(error)).encode())
        return
    with bound(tenant_id=task.tenant_id, job_id=task.job_id, request_id=task.request_id):
        trainer = _load_or_fail(task, emit)
        if trainer is not None:
            for written in session.written_results(trainer, task, lambda product_id: emit(WORKING_ON + product_id.encode())):
                emit(RESULT + written.text)


def warm(payload: bytes, emit: Emit) -> None:
    """Imports what the model named by `payload` needs, so that its first task finds it there. Raises what loading raises."""
    _load(payload.decode())


def _load_or_fail(task: TrainingTask, emit: Emit) -> Trainer | None:
    try:
        return _load(task.model)
    except UnknownModel as error:
        reason, message = "unknown_model", str(error)
    except TrainerNotInstalled as error:
        reason, message = "trainer_not_installed", str(error)
    except TrainerNotLoadable as error:
        reason, message = "trainer_failed", str(error)
    except ImportError as error:
        reason, message = "trainer_failed", f"the trainer {task.model!r} needs a library that is not installed here: {error}"
    for series in task.series:
        failed = FailedProduct(product_id=series.product_id, reason=reason, message=clip(message))
        emit(RESULT + failed.model_dump_json().encode())
    return None


def _load(model: str) -> Trainer:
    if model not in _loaded:
        _loaded[model] = plan_of(model).load()
        gc.freeze()
    return _loaded[model]
