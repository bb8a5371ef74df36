"""Writes the dashboards and the alert rules, of the chart and for a Prometheus by hand. With `--check` it exits 1 where one differs."""

import sys
from pathlib import Path

import yaml
from scripts.drift import keep
from scripts.monitoring import alerts, connections, gateway, rabbitmq, training
from scripts.monitoring.board import rendered

ROOT = Path(__file__).resolve().parent.parent
DASHBOARDS = ROOT / "charts" / "levain" / "files" / "dashboards"
CHART_RULES = ROOT / "charts" / "levain" / "files" / "rules.yaml"
RULES = ROOT / "examples" / "prometheus" / "rules.yml"
BOARDS = (connections.BOARD, training.BOARD, rabbitmq.BOARD, gateway.BOARD)
_SOURCE = "scripts/monitoring"


def main() -> int:
    kept = [keep(DASHBOARDS / f"{board.name}.json", rendered(board), _SOURCE) for board in BOARDS]
    # The chart's templates put both in.
    ours = alerts.groups('namespace="@NAMESPACE@"', "@RUNBOOK@")
    kept.append(keep(CHART_RULES, _written(ours, "of the chart's PrometheusRule"), _SOURCE))
    anybodys = {"groups": alerts.groups("", "docs/runbook.md")}
    kept.append(keep(RULES, _written(anybodys, "for a Prometheus that watches one Levain"), _SOURCE))
    return max(kept)


def _written(content: object, what: str) -> str:
    return f"# Alerts {what}, made by `make docs` of scripts/monitoring/alerts.py.\n" + yaml.safe_dump(
        content, sort_keys=False, allow_unicode=True, width=200
    )


if __name__ == "__main__":
    sys.exit(main())
