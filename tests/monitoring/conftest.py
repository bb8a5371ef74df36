"""One stack as `levain up --scale` starts it, with a Prometheus by the example's configuration, that has seen jobs and viewers."""

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
import uvloop
from tests.e2e.processes import Processes, next_number
from tests.monitoring.busy import be_busy
from tests.monitoring.moving import unmoved
from tests.monitoring.operating import operator_metrics
from tests.monitoring.prometheus import Prometheus, Window
from tests.monitoring.shipped import CONFIG

from levain.scaled.stack import ScaledStack
from levain.targets import NAMESPACE
from levain_training.forecasting.registry import EXTRA_TRAINERS
from levain_training.forecasting.testing import ALL_TRAINERS

_LIMIT_SECONDS = 90


class Seen(NamedTuple):
    """`metrics_urls` by the kind of process."""

    prometheus: Prometheus
    window: Window
    metrics_urls: dict[str, str]


@pytest.fixture(scope="session")
def seen(server_folder: Path) -> Iterator[Seen]:
    folder = server_folder / "monitoring"
    with pytest.MonkeyPatch.context() as environment, operator_metrics() as operator_port:
        environment.setenv(EXTRA_TRAINERS, ALL_TRAINERS)
        stack = ScaledStack(folder / ".levain", workers=2, supervise=False)
        asyncio.run(stack.start())
        try:
            _add_target(stack, "operator", operator_port)
            prometheus = Prometheus(_faster(folder), folder)
            prometheus.start()
            try:
                prometheus.until_up({target["labels"]["pod"] for target in json.loads(stack.targets.read_text())})
                start = time.time()
                uvloop.run(_busy(stack, lambda: not unmoved(prometheus, Window(start, time.time()))))
                yield Seen(prometheus, Window(start, time.time()), _urls(stack, operator_port))
            finally:
                prometheus.stop()
        finally:
            asyncio.run(stack.stop())


def _faster(folder: Path) -> Path:
    """The example in the place that its paths are meant for, but for how often it scrapes."""
    shutil.copytree(CONFIG.parent, folder / "examples" / "prometheus")
    config = folder / "examples" / "prometheus" / CONFIG.name
    written = config.read_text()
    assert written.count("interval: 5s") == 2
    config.write_text(written.replace("interval: 5s", "interval: 1s"))
    return config


def _add_target(stack: ScaledStack, component: str, port: int) -> None:
    labels = {"namespace": NAMESPACE, "pod": f"{component}-1", "app_kubernetes_io_component": component}
    targets = [*json.loads(stack.targets.read_text()), {"targets": [f"127.0.0.1:{port}"], "labels": labels}]
    stack.targets.write_text(json.dumps(targets))


def _urls(stack: ScaledStack, operator_port: int) -> dict[str, str]:
    ports = {"gateway": stack.gateways[0].metrics_port, "training service": stack.replicas[0].metrics_port}
    ports |= {"worker": stack.workers[0].metrics_port, "operator": operator_port}
    return {kind: f"http://127.0.0.1:{port}/metrics" for kind, port in ports.items()}


async def _busy(stack: ScaledStack, seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(_LIMIT_SECONDS), aiohttp.ClientSession() as session:
        await be_busy(Processes(stack, session, next_number()), seen)
