"""What a worker and its child processes tell about themselves, as verbs, and the metrics that they become."""

from collections.abc import Iterable
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from levain_broker.ports import Broker
from levain_contracts.topics import WorkQueue
from levain_training.broker_states import BrokerStates, Declared
from levain_training.failures import CHILD_DEATHS

_PRODUCT_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class WorkerMetrics(Protocol):
    def slots_opened(self, count: int) -> None:
        """So many batches can be trained at once from now on; 0 when it stops."""

    def task_taken(self) -> None: ...

    def task_over(self) -> None:
        """Each that was taken is over once, in whatever way."""

    def task_unreadable(self) -> None: ...

    def task_redelivered(self) -> None:
        """It was handed out before, to a worker that did not settle it."""

    def task_given_back(self) -> None: ...

    def product_ended(self, trainer: str, outcome: str, seconds: float) -> None:
        """`outcome`: `trained`, or the code of the failure."""

    def child_started(self) -> None: ...

    def child_ended(self) -> None:
        """Each started child ends once, in whatever way."""

    def child_died(self, reason: str) -> None:
        """It ended at work, unasked: `worker_process_died`, `out_of_memory` or `time_limit`."""


class NullWorkerMetrics:
    def slots_opened(self, count: int) -> None:
        pass

    def task_taken(self) -> None:
        pass

    def task_over(self) -> None:
        pass

    def task_unreadable(self) -> None:
        pass

    def task_redelivered(self) -> None:
        pass

    def task_given_back(self) -> None:
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
    """One instance a process, on a registry that others may share. `trainers`: the names of those that are installed."""

    def __init__(self, registry: CollectorRegistry, trainers: Iterable[str] = ()) -> None:
        self.registry = r = registry
        self._slots = Gauge("levain_worker_slots", "Batches that this process can train at once.", registry=r)
        self._running = Gauge("levain_worker_tasks_running", "Batches that are trained now.", registry=r)
        self._tasks = Counter("levain_worker_tasks_total", "Batches taken by this process, by outcome.", ["outcome"], registry=r)
        self._redelivered = Counter(
            "levain_worker_tasks_redelivered_total",
            "Batches that had been handed to a worker before, which did not settle them.",
            registry=r,
        )
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
        for outcome in ("taken", "unreadable", "given_back"):
            self._tasks.labels(outcome)
        for reason in CHILD_DEATHS:
            self._child_deaths.labels(reason)
        for trainer in trainers:
            self._product_seconds.labels(trainer, "trained")

    def watches(self, broker: Broker) -> None:
        """The state of its sessions is told with all else from now on. Once."""
        self.registry.register(
            BrokerStates(
                broker,
                f"consuming {WorkQueue.TASKS}",
                up=Declared("levain_worker_broker_session_up", "1 while this session with the broker works."),
                renewed=Declared("levain_worker_broker_sessions_renewed_total", "Sessions with the broker that were lost and begun anew."),
                consumer_up=Declared("levain_worker_consumer_up", "1 while this worker is handed batches."),
            )
        )

    def slots_opened(self, count: int) -> None:
        self._slots.set(count)

    def task_taken(self) -> None:
        self._tasks.labels("taken").inc()
        self._running.inc()

    def task_over(self) -> None:
        self._running.dec()

    def task_unreadable(self) -> None:
        self._tasks.labels("unreadable").inc()

    def task_redelivered(self) -> None:
        self._redelivered.inc()

    def task_given_back(self) -> None:
        self._tasks.labels("given_back").inc()

    def product_ended(self, trainer: str, outcome: str, seconds: float) -> None:
        self._product_seconds.labels(trainer, outcome).observe(seconds)

    def child_started(self) -> None:
        self._children.inc()

    def child_ended(self) -> None:
        self._children.dec()

    def child_died(self, reason: str) -> None:
        self._child_deaths.labels(reason).inc()
