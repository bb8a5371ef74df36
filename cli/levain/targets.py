"""What a Prometheus on this machine reads to find a stack, with the labels that the chart's PodMonitor gives."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

FILE = "targets.json"
NAMESPACE = "levain"


class Target(NamedTuple):
    """Who tells metrics, as `host:port`."""

    address: str
    name: str
    component: str


def write_targets(folder: Path, targets: Iterable[Target]) -> Path:
    """For `file_sd_configs`, which takes the change of a file by itself."""
    file = folder / FILE
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps([_entry(target) for target in targets], indent=1) + "\n", encoding="utf-8")
    return temporary.replace(file)


def _entry(target: Target) -> dict[str, object]:
    labels = {"namespace": NAMESPACE, "pod": target.name, "app_kubernetes_io_component": target.component}
    return {"targets": [target.address], "labels": labels}
