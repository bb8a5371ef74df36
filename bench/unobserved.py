"""Metrics that count nothing. `unobserved MODULE` runs a gateway's command with them."""

import runpy
import sys
from typing import Any, TypeVar
from unittest.mock import patch

from prometheus_client import CollectorRegistry

from levain_gateway.metrics import Metrics

M = TypeVar("M")


def silent(metrics: type[M]) -> M:
    """It takes every verb and does nothing, as cheaply as a call can be."""

    def start(self: Any) -> None:
        self.registry = CollectorRegistry()

    verbs = dict.fromkeys((name for name in vars(metrics) if not name.startswith("_")), _nothing)
    made: M = type("Silent", (metrics,), {**verbs, "__init__": start})()
    return made


def _nothing(*_: object, **__: object) -> None:
    pass


def main() -> None:
    sys.argv = sys.argv[1:]
    with patch("levain_gateway.server.Metrics", lambda: silent(Metrics)):
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
