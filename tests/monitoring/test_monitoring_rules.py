"""The alerts: each has a section in the runbook, fires in its case and only there, and is the same in the chart and in the example."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.monitoring.alert_cases import BEGINS_MINUTES, CASES, ENDS_MINUTES, HEALTHY, QUIET, WITHOUT_OPERATOR, Case, Series
from tests.monitoring.prometheus import promtool
from tests.monitoring.shipped import FILES, RULES, RUNBOOK, rules

BY_NAME = {rule["alert"]: rule for rule in rules()}
_PARTS = ["What it means", "Look at", "Do", "Ignore it when"]


def test_each_alert_says_how_bad_it_is_and_has_a_section_of_the_runbook_and_no_section_is_left_over() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sections == list(BY_NAME)
    for name, rule in BY_NAME.items():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert re.fullmatch(r"\d+m", rule["for"])
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        # As GitHub makes anchors of headings.
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"


@pytest.mark.parametrize("name", BY_NAME)
def test_a_section_says_what_it_means_what_to_look_at_what_to_do_and_when_to_ignore_it(name: str) -> None:
    section = RUNBOOK.read_text().partition(f"## {name}\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\*\*(.+?)\.\*\*", section, re.MULTILINE) == _PARTS


def test_the_charts_rules_are_the_same_of_its_namespace_alone() -> None:
    of_chart = (FILES / "rules.yaml").read_text()
    for place in ('namespace="@NAMESPACE@",', ',namespace="@NAMESPACE@"', '{namespace="@NAMESPACE@"}'):
        of_chart = of_chart.replace(place, "")
    assert yaml.safe_load(of_chart.replace("@RUNBOOK@", "docs/runbook.md")) == yaml.safe_load(RULES.read_text())["groups"]


def test_every_alert_has_a_case() -> None:
    assert {case.alert for case in CASES} == BY_NAME.keys()


@pytest.mark.servers
def test_promtool_takes_the_rules() -> None:
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.servers
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_in_its_case_and_nothing_else_does(case: Case, tmp_path: Path) -> None:
    rule = BY_NAME[case.alert]
    early = BEGINS_MINUTES + int(rule["for"].removesuffix("m")) - 1
    words = json.dumps(rule["annotations"])
    for place, value in case.filled.items():
        words = words.replace(f"{{{{ {place} }}}}", value)
    alert = {"exp_labels": rule["labels"] | dict(case.labels), "exp_annotations": json.loads(words)}
    _holds(
        tmp_path,
        HEALTHY | case.series,
        alert_rule_test=[{"eval_time": f"{ENDS_MINUTES - 1}m", "alertname": case.alert, "exp_alerts": [alert]}],
        promql_expr_test=[_firing(early, {}), _firing(ENDS_MINUTES - 1, {case.alert: 1})],
    )


@pytest.mark.servers
@pytest.mark.parametrize("day", QUIET)
def test_nothing_fires_on_a_good_day(day: str, tmp_path: Path) -> None:
    for healthy in (HEALTHY, WITHOUT_OPERATOR):
        _holds(tmp_path, healthy | QUIET[day], promql_expr_test=[_firing(minute, {}) for minute in range(0, ENDS_MINUTES, 5)])


def _firing(minute: int, alerts: Mapping[str, int]) -> dict[str, Any]:
    expected = [{"labels": f'{{alertname="{name}"}}', "value": count} for name, count in alerts.items()]
    return {"eval_time": f"{minute}m", "expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "exp_samples": expected}


def _holds(folder: Path, series: Series, **tests: Any) -> None:
    given = [{"series": name, "values": values} for name, values in series.items()]
    file = folder / "tests.yml"
    file.write_text(
        json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [{"interval": "1m", "input_series": given, **tests}]})
    )
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
