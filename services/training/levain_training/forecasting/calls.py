"""What a child process does when it is asked to train: a task's bytes in, `working_on` marks and results out. The parent is `batch`."""

from collections.abc import Callable

from levain_contracts.model import clip
from levain_contracts.tasks import FailedProduct, TrainingTask, decode_task
from levain_training.forecasting import session
from levain_training.forecasting.port import Trainer
from levain_training.forecasting.registry import TrainerNotLoadable, UnknownModel, plan_of

Emit = Callable[[bytes], None]

# The first byte of a message says what the rest is.
WORKING_ON, RESULT = b"w", b"r"

_loaded: dict[str, Trainer] = {}


def train(payload: bytes, emit: Emit) -> None:
    """Emits one result per product, whatever happens; a `MemoryError` ends the process."""
    task = decode_task(payload)
    trainer = _load_or_fail(task, emit)
    if trainer is not None:
        for result in session.run(trainer, task, lambda product_id: emit(WORKING_ON + product_id.encode())):
            emit(RESULT + result.model_dump_json().encode())


def warm(payload: bytes, emit: Emit) -> None:
    """Imports what the model named by `payload` needs, so that its first task finds it there. Raises what loading raises."""
    _load(payload.decode())


def _load_or_fail(task: TrainingTask, emit: Emit) -> Trainer | None:
    try:
        return _load(task.model)
    except UnknownModel as error:
        reason, message = "unknown_model", str(error)
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
    return _loaded[model]
