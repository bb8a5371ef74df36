"""What a worker and its child processes tell about themselves, as verbs, and the metrics that they become."""

from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_CHILD_DEATHS = ("worker_process_died", "out_of_memory", "time_limit")
_PRODUCT_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


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


class PrometheusWorkerMetrics:
    """One instance a process, on a registry that others may share."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = r = registry
        self._tasks = Counter("levain_worker_tasks_total", "Batches taken by this process, by outcome.", ["outcome"], registry=r)
        self._children = Gauge("levain_worker_children", "Child processes alive.", registry=r)
        self._child_deaths = Counter(
            "levain_worker_child_deaths_total", "Child processes that died at work, by reason.", ["reason"], registry=r
        )
        self._product_seconds = Histogram(
            "levain_worker_product_seconds",
            "Seconds to train one product.",
            ["trainer", "outcome"],
            buckets=_PRODUCT_SECONDS,
            registry=r,
        )
        for outcome in ("taken", "unreadable"):
            self._tasks.labels(outcome)
        for reason in _CHILD_DEATHS:
            self._child_deaths.labels(reason)

    def task_taken(self) -> None:
        self._tasks.labels("taken").inc()

    def task_unreadable(self) -> None:
        self._tasks.labels("unreadable").inc()

    def product_ended(self, trainer: str, outcome: str, seconds: float) -> None:
        self._product_seconds.labels(trainer, outcome).observe(seconds)

    def child_started(self) -> None:
        self._children.inc()

    def child_ended(self) -> None:
        self._children.dec()

    def child_died(self, reason: str) -> None:
        self._child_deaths.labels(reason).inc()
