"""Every expression that is shipped, asked of a Prometheus that watched a live stack; and what a broken one is found by."""

import urllib.request

import promql_parser
import pytest
from tests.monitoring.conftest import Seen
from tests.monitoring.moving import unmoved
from tests.monitoring.prometheus import promtool
from tests.monitoring.promql import metrics, problems
from tests.monitoring.shipped import expressions, rules

# The first test waits for the stack and for the jobs on it.
pytestmark = [pytest.mark.servers, pytest.mark.timeout(240)]


def test_every_expression_of_every_panel_and_alert_has_a_value(seen: Seen) -> None:
    found = {expression.where: list(problems(expression.text, seen.prometheus, seen.window)) for expression in expressions()}
    assert len(found) > 80
    assert {where: wrong for where, wrong in found.items() if wrong} == {}


def test_what_happened_is_seen_in_the_panels(seen: Seen) -> None:
    """A name that exists and that nobody speaks of would pass the test above."""
    assert unmoved(seen.prometheus, seen.window) == set()


def test_a_broken_name_of_a_metric_a_label_or_a_value_is_found_in_every_expression(seen: Seen) -> None:
    for expression in expressions():
        for name in metrics(expression.text):
            broken = expression.text.replace(name, f"{name}_x")
            assert list(problems(broken, seen.prometheus, seen.window)), expression.where
    for broken in (
        "sum by (pot) (levain_training_viewers)",
        'sum(levain_training_repairs_total{kind="viewer_behing"})',
        'levain_training_queue_messages{queue="training.taks"} > 0',
        "absent(levain_training_viewer)",
        "max(levain_training_viewers) > 0 and on () max(levain_training_viewer) == 0",
        "histogram_quantile(0.99, sum by (stage) (rate(levain_training_event_lag_seconds_bucket[10s])))",
    ):
        promql_parser.parse(broken)
        assert list(problems(broken, seen.prometheus, seen.window)), broken


def test_the_rules_are_evaluated_without_an_error_and_nothing_fires_on_a_healthy_stack(seen: Seen) -> None:
    evaluated = [rule for group in seen.prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in evaluated} == {rule["alert"] for rule in rules()}
    assert {rule["name"]: rule["lastError"] for rule in evaluated if rule["health"] != "ok" or rule.get("lastError")} == {}
    assert [alert["labels"] for alert in seen.prometheus.ask("alerts")["alerts"] if alert["state"] == "firing"] == []


@pytest.mark.parametrize("kind", ["gateway", "training service", "worker", "operator"])
def test_promtool_finds_nothing_to_say_of_our_metrics(kind: str, seen: Seen) -> None:
    with urllib.request.urlopen(seen.metrics_urls[kind], timeout=5) as answer:
        checked = promtool("check", "metrics", given=answer.read())
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
