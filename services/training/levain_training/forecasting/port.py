"""The trainer's port: a batch of daily series in, one result per product out. `session` holds every trainer to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from levain_contracts.tasks import FailedProduct, TrainedProduct, TrainingTask

BatchBy = Literal["product", "shop"]
WorkingOn = Callable[[str], None]


class Trainer(Protocol):
    """One lives as long as its child process and is given many tasks, one at a time."""

    def train(self, task: TrainingTask, working_on: WorkingOn) -> Iterator[TrainedProduct | FailedProduct]:
        """Yields each product of `task.series` exactly once, as soon as it has ended, in any order.

        - Calls `working_on(product_id)` before each product when it trains product by product: a process that dies, hangs or
          runs out of memory is then blamed on that product alone. A trainer that learns from a whole shop at once does not call it.
        - A product that can't be trained is a `FailedProduct` with a code, never an exception. `MemoryError` is let through.
        - A forecast starts at `task.forecast_start` and has `task.horizon_days` days, no negative ones, `lo80 <= mean <= hi80`.
          `lo80 <= q25 <= q50 <= q75 <= hi80` too; without quartiles it gets those of a normal distribution.
        - `model` is plain JSON (no pickle) with at least `schema_version`, `trainer`, `trained_from`, `trained_to`,
          `dataset_sha256` and `config`, enough to tell what was learnt and from which data.
        - The same task gives the same results, whichever process trains it; nothing is kept from one task to the next.
        """


@dataclass(frozen=True)
class TrainerPlan:
    """What others must know of a trainer without importing it. `load` does the heavy imports, inside a child process.

    `products_per_batch` is an upper bound: about 30 s of work at most, and few enough that a job fills all workers.
    `needs`: a module that an extra brings, and `install`: the command that brings it. The trainer is refused where it is missing.
    """

    name: str
    batch_by: BatchBy
    products_per_batch: int
    load: Callable[[], Trainer]
    needs: str | None = None
    install: str | None = None
