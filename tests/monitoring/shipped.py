"""What is shipped: the dashboards and rules as they lie in the chart and in `examples`, and every expression in them."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
FILES = ROOT / "charts" / "levain" / "files"
RULES = ROOT / "examples" / "prometheus" / "rules.yml"
CONFIG = ROOT / "examples" / "prometheus" / "prometheus.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"

Json = dict[str, Any]

# What Grafana would put in: the window holds some scrapes of a test.
_VALUES = {"$__rate_interval": "10s", "$namespace": "levain", "$pod": ".*"}


class Expression(NamedTuple):
    where: str
    text: str


@cache
def boards() -> dict[str, Json]:
    return {file.stem: json.loads(file.read_text()) for file in sorted((FILES / "dashboards").glob("*.json"))}


def panels(board: Json) -> list[Json]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


@cache
def rules() -> list[Json]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def expressions() -> Iterator[Expression]:
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield Expression(f"{name}: {panel['title']}: {target['refId']}", filled(target["expr"]))
    for rule in rules():
        yield Expression(f"alert: {rule['alert']}", rule["expr"])


def filled(text: str) -> str:
    for variable, value in _VALUES.items():
        text = text.replace(variable, value)
    return text
