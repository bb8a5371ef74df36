"""The dashboards as Grafana loads them: nothing in another's place, and each panel says what it shows and what to do."""

import itertools
import re
from typing import Any

import pytest
from scripts import make_metrics_docs
from tests.monitoring.promql import metrics
from tests.monitoring.shipped import boards, expressions, panels

Json = dict[str, Any]

each_board = pytest.mark.parametrize("board", boards().values(), ids=boards())


def test_there_are_four_boards_each_with_an_address_of_its_own() -> None:
    assert boards().keys() == {"connections", "training", "rabbitmq", "gateway"}
    assert len({board["uid"] for board in boards().values()}) == 4
    assert all(len(board["uid"]) <= 40 for board in boards().values())


@each_board
def test_every_panel_has_a_unit_and_says_what_to_do_when_it_looks_wrong(board: Json) -> None:
    for panel in panels(board):
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        shows, when_wrong = panel["description"].split("\n\n")
        assert shows.endswith(".") and when_wrong.endswith("."), panel["title"]
        # A sign, and what it means or what to look at.
        assert re.search(r"[\w%…)]: [\w`]", when_wrong), panel["title"]
        assert panel["targets"], panel["title"]


@each_board
def test_every_number_and_every_place_belongs_to_one_panel(board: Json) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in board["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]
    for one, other in itertools.combinations(board["panels"], 2):
        assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
    for panel in panels(board):
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs), panel["title"]
        assert len({target["legendFormat"] for target in panel["targets"]}) == len(refs), panel["title"]


def _overlap(one: Json, other: Json) -> bool:
    return bool(
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@each_board
def test_every_query_is_of_the_chosen_source_namespace_and_pods(board: Json) -> None:
    variables = {variable["name"] for variable in board["templating"]["list"]}
    assert variables == {"datasource", "namespace", "pod"}
    for panel in panels(board):
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            selectors = re.findall(r"\{([^{}]*)\}", target["expr"])
            assert selectors, panel["title"]
            for selector in selectors:
                assert selector.endswith('namespace="$namespace",pod=~"$pod"'), target["expr"]
            assert len(selectors) == len(re.findall(r"\b(?:levain|rabbitmq)_\w+", target["expr"])), target["expr"]
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables | {"__rate_interval"}


def test_legends_name_labels_that_the_query_keeps() -> None:
    for board in boards().values():
        for panel in panels(board):
            for target in panel["targets"]:
                for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                    assert re.search(rf"by \([^)]*\b{label}\b[^)]*\)", target["expr"]), (panel["title"], label)


def test_every_metric_of_ours_that_an_expression_names_is_declared() -> None:
    declared = {sample.name for families in make_metrics_docs.declared().values() for family in families for sample in family.samples}
    for expression in expressions():
        named = metrics(expression.text)
        assert named, expression.where
        assert {name for name in named if name.startswith("levain_")} <= declared, expression.where
