"""Settings of the role `worker`: it needs nothing but the broker."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from levain_settings import Setting, load
from levain_settings.readers import Listen, count, seconds
from levain_training.settings import PROCESS_SETTINGS
from levain_training.worker import WorkerSettings

# Each is `LEVAIN_` and a field of `WorkerSettings`, but for `slots`.
_OF_WORKER = (
    Setting("LEVAIN_WORKER_SLOTS", count(1, 256), "2", "batches at once", "one a core; each is a child process of its own"),
    Setting(
        "LEVAIN_PRODUCT_SECONDS",
        seconds(1, 86_400),
        "300",
        "seconds",
        "a thousand times what the slowest shipped trainer takes; then the product is tried once more, alone",
        off="off",
    ),
    Setting(
        "LEVAIN_TASK_SECONDS",
        seconds(1, 86_400),
        "600",
        "seconds",
        "then the rest of a batch goes out as a new one; RabbitMQ takes a task from its consumer after 1,800",
        off="off",
    ),
    Setting("LEVAIN_CHUNK_RESULTS", count(1, 256), "64", "results", "that travel together when they end fast: one transaction each"),
    Setting("LEVAIN_CHUNK_SECONDS", seconds(0, 10), "0.1", "seconds", "so long a result waits for others; viewers see no delay"),
    Setting(
        "LEVAIN_GRACE_SECONDS",
        seconds(0, 3600),
        "8",
        "seconds",
        "how long the product at work may go on after SIGTERM; the process is gone within 10",
    ),
)

SETTINGS = (*PROCESS_SETTINGS, *_OF_WORKER)


@dataclass(frozen=True)
class WorkerProcess:
    broker_url: str | None = None
    broker_heartbeat_seconds: float = 5
    broker_watchdog_seconds: float = 5
    metrics_listen: Listen | None = None
    child_memory_bytes: int | None = 2048 * 1024 * 1024
    log_level: str = "info"
    worker: WorkerSettings = field(default_factory=WorkerSettings)


def from_environment(environment: Mapping[str, str]) -> WorkerProcess:
    """Raises `levain_settings.SettingsError`."""
    values: dict[str, Any] = {n.removeprefix("LEVAIN_").lower(): v for n, v in load(SETTINGS, environment).items()}
    values["slots"] = values.pop("worker_slots")
    worker = WorkerSettings(**{f.name: values.pop(f.name) for f in fields(WorkerSettings)})
    return WorkerProcess(worker=worker, **values)
