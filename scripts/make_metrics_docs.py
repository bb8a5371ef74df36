"""Writes docs/metrics.md from what each process declares. With `--check` it exits 1 where it differs."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric
from scripts.drift import keep

from levain_broker.memory import MemoryBroker
from levain_broker.ports import Delivery
from levain_contracts.topics import WorkQueue
from levain_gateway.metrics import Metrics as GatewayMetrics
from levain_operator.metrics import Metrics as OperatorMetrics
from levain_operator.signs import Signs
from levain_training.metrics import Metrics as TrainingMetrics
from levain_training.worker_metrics import PrometheusWorkerMetrics

TARGET = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"
_OF_THE_FORMAT = ("_bucket", "_created")
_MANY = 12

INTRO = """# Metrics

What each process tells at `/metrics`, on a port of its own (`LEVAIN_METRICS_LISTEN`, `levain up --metrics`), never through the gateway.
Counters with all their label values exist at 0 from the start, so that `rate` and `increase` see the first event. No label names a tenant,
a job, a product or a user. Scrapes wait for nobody: what broker and store have to be asked for is asked every 5 s in the background.
This page is made by `make docs` from the declarations.

A histogram has the series `_bucket`, `_sum` and `_count`.
"""


def declared() -> Mapping[str, list[Metric]]:
    """All families of each process, with whatever label values are known from the start."""
    return asyncio.run(_declared())


async def _declared() -> Mapping[str, list[Metric]]:
    training, worker, operator = (CollectorRegistry() for _ in range(3))
    service, hands = MemoryBroker(), MemoryBroker()
    TrainingMetrics(training).watches(service)
    PrometheusWorkerMetrics(worker, ["auto"]).watches(hands)
    OperatorMetrics(operator, Signs())
    async with AsyncExitStack() as sessions:
        await sessions.enter_async_context(service.watch_events(lambda key, body: None, lambda: None))
        for broker, queue in ((service, WorkQueue.RESULTS), (service, WorkQueue.DEAD_TASKS), (hands, WorkQueue.TASKS)):
            await sessions.enter_async_context(broker.consume(queue, _nothing, prefetch=1))
        return _collected(training, worker, operator)


async def _nothing(_: Delivery) -> None:
    """Nobody sends anything."""


def _collected(training: CollectorRegistry, worker: CollectorRegistry, operator: CollectorRegistry) -> Mapping[str, list[Metric]]:
    registries = {
        "Training service (`levain-training serve`)": training,
        "Worker (`levain-training worker`)": worker,
        "Gateway (`levain-gateway`)": GatewayMetrics().registry,
        "Operator (`levain-operator`)": operator,
    }
    return {process: sorted(registry.collect(), key=lambda family: family.name) for process, registry in registries.items()}


def full_name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _rows(families: list[Metric]) -> Iterator[str]:
    yield "| name | type | labels | meaning |"
    yield "|---|---|---|---|"
    for family in families:
        yield f"| `{full_name(family)}` | {family.type} | {_labels(family)} | {family.documentation.rstrip('.')} |"


def _labels(family: Metric) -> str:
    values: dict[str, dict[str, None]] = {}
    for sample in family.samples:
        if not sample.name.endswith(_OF_THE_FORMAT):
            for label, value in sample.labels.items():
                values.setdefault(label, {})[value] = None
    return "; ".join(f"`{label}`: {_some(list(known))}" for label, known in values.items())


def _some(known: list[str]) -> str:
    more = f", … ({len(known)})" if len(known) > _MANY else ""
    return ", ".join(known[:_MANY]) + more


def text() -> str:
    parts = [INTRO]
    for process, families in declared().items():
        parts += [f"## {process}\n", "\n".join(_rows(families)) + "\n"]
    return "\n".join(parts)


def main() -> int:
    return keep(TARGET, text(), "the code")


if __name__ == "__main__":
    sys.exit(main())
