"""What Prometheus and Grafana get of a release."""

import json
import re
from typing import Any

import pytest
import yaml
from tests.chart.kit import ROOT, SETS, Refused, Set

pytestmark = pytest.mark.chart

METRICS = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")


def rendered_boards(values: Set) -> list[dict[str, Any]]:
    dashboards = [o for o in values.objects().of("ConfigMap") if "grafana_dashboard" in o["metadata"]["labels"]]
    return [json.loads(text) for o in dashboards for text in o["data"].values()]


def test_rules_and_dashboards_speak_of_metrics_that_exist_and_keep_their_braces() -> None:
    # docs/metrics.md is made of the declarations.
    declared = set(re.findall(r"^\| `(levain_\w+)`", METRICS, re.MULTILINE))
    (rule,) = SETS["monitored"].objects().of("PrometheusRule")
    boards = rendered_boards(SETS["monitored"])
    assert len(boards) == 4
    text = json.dumps(rule) + json.dumps(boards)
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"levain_(?:training|worker|gateway|operator)_\w+", text)}
    assert used <= declared
    assert "{{code}}" in json.dumps(boards)
    assert "{{ $labels.kind }}" in text
    assert "__inputs" not in json.dumps(boards)
    for board in boards:
        known = {f"${{{variable['name']}}}" for variable in board["templating"]["list"]}
        assert set(re.findall(r"\$\{\w+\}", json.dumps(board))) <= known
        assert len(board["uid"]) <= 40
    assert len({board["uid"] for board in boards}) == len(boards)


def test_the_rules_are_of_the_releases_namespace_and_link_to_the_runbook_that_one_names() -> None:
    for values, runbook in (
        (SETS["monitored"], "docs/runbook.md"),
        (
            Set(more={"monitoring": {"rules": {"enabled": True, "runbookUrl": "https://wiki.example/runbook"}}}),
            "https://wiki.example/runbook",
        ),
    ):
        (made,) = values.objects().of("PrometheusRule")
        rules = [rule for group in made["spec"]["groups"] for rule in group["rules"]]
        assert len(rules) == 15
        for rule in rules:
            assert 'namespace="bakery"' in rule["expr"]
            assert rule["annotations"]["runbook_url"] == f"{runbook}#{rule['alert'].lower()}"
    with pytest.raises(Refused, match="/monitoring/rules/runbookUrl"):
        Set(more={"monitoring": {"rules": {"runbookUrl": "it's here"}}}).template()


def test_prometheus_finds_the_metrics_of_every_pod() -> None:
    objects = SETS["monitored"].objects()
    (monitor,) = objects.of("PodMonitor")
    endpoints = monitor["spec"]["podMetricsEndpoints"]
    for component, spec in objects.pods():
        if component != "test":
            assert {endpoint["port"] for endpoint in endpoints} & {port["name"] for port in spec["containers"][0]["ports"]}, component
    # Two of one port would write over each other's `up`, were their labels the same.
    (queues,) = [endpoint for endpoint in endpoints if "path" in endpoint]
    assert queues["relabelings"] == [{"targetLabel": "endpoint", "replacement": "broker-queues"}]


def test_the_values_on_the_page_are_taken_and_turn_all_of_it_on() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    values = Set(more=yaml.safe_load(block))
    assert len(rendered_boards(values)) == 4
    assert values.objects().of("PodMonitor")
    assert values.objects().of("PrometheusRule")
