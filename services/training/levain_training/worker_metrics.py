"""What a worker and its child processes tell about themselves: domain verbs, without any metrics library."""

from typing import Protocol


class WorkerMetrics(Protocol):
    def task_taken(self) -> None: ...

    def task_unreadable(self) -> None: ...

    def product_ended(self, trainer: str, outcome: str, seconds: float) -> None:
        """`outcome`: `trained`, or the code of the failure."""

    def child_started(self) -> None: ...

    def child_ended(self) -> None:
        """Each started child ends once, in whatever way."""

    def child_died(self, reason: str) -> None:
        """It ended at work, unasked: `worker_process_died`, `out_of_memory` or `time_limit`."""


class NullWorkerMetrics:
    def task_taken(self) -> None:
        pass

    def task_unreadable(self) -> None:
        pass

    def product_ended(self, trainer: str, outcome: str, seconds: float) -> None:
        pass

    def child_started(self) -> None:
        pass

    def child_ended(self) -> None:
        pass

    def child_died(self, reason: str) -> None:
        pass
