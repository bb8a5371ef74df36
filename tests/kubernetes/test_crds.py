"""The hand-written CRDs say what the models say, field by field and bound by bound."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from tests.kubernetes.schemas import crd_schema

from levain_contracts.kubernetes import training_job, training_schedule
from levain_contracts.kubernetes.base import CATEGORY, GROUP, MAX_RESOURCE_NAME_CHARS, VERSION
from levain_contracts.kubernetes.training_job import CHANGEABLE, TrainingJobSpec, TrainingJobStatus
from levain_contracts.kubernetes.training_schedule import TrainingScheduleSpec, TrainingScheduleStatus

Json = dict[str, Any]
FOLDER = Path(__file__).parents[2] / "charts" / "levain" / "files" / "crds"
JOBS: Json = yaml.safe_load((FOLDER / "trainingjobs.yaml").read_text(encoding="utf-8"))
SCHEDULES: Json = yaml.safe_load((FOLDER / "trainingschedules.yaml").read_text(encoding="utf-8"))
CRDS = [pytest.param(JOBS, training_job, id="trainingjobs"), pytest.param(SCHEDULES, training_schedule, id="trainingschedules")]
MODELS: list[tuple[Json, str, type[BaseModel]]] = [
    (JOBS, "spec", TrainingJobSpec),
    (JOBS, "status", TrainingJobStatus),
    (SCHEDULES, "spec", TrainingScheduleSpec),
    (SCHEDULES, "status", TrainingScheduleStatus),
]


def schema_of(crd: Json) -> Json:
    (version,) = crd["spec"]["versions"]
    schema: Json = version["schema"]["openAPIV3Schema"]
    return schema


def part(crd: Json, name: str) -> Json:
    found: Json = schema_of(crd)["properties"][name]
    return found


def plain(schema: Json) -> Json:
    """Without Kubernetes' own words, which no model has."""
    kept = {k: v for k, v in schema.items() if not k.startswith("x-kubernetes-")}
    if "properties" in kept:
        kept["properties"] = {name: plain(s) for name, s in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = plain(kept["items"])
    return kept


def nodes(schema: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


def same(crd_part: Json, model: Json) -> bool:
    """The description of the whole is the page's own."""
    return plain(crd_part) | {"description": ""} == model | {"description": ""}


@pytest.mark.parametrize(("crd", "name", "model"), MODELS)
def test_the_crd_is_equal_to_its_model(crd: Json, name: str, model: type[BaseModel]) -> None:
    assert plain(part(crd, name)) | {"description": ""} == crd_schema(model) | {"description": ""}


def other(word: str, value: Any) -> Any:
    if word == "properties":
        return {f"{name}2": schema for name, schema in value.items()}
    if word == "items":
        return value | {"maxLength": 1}
    return value + 1 if isinstance(value, int) and not isinstance(value, bool) else [value]


def mutant(schema: Json, path: str, word: str, value: Any) -> Json:
    """The schema with `word` at `path` set to the value; without it where the value is None."""
    copied = copy.deepcopy(schema)
    node = next(node for at, node in nodes(copied) if at == path)
    if value is None:
        del node[word]
    else:
        node[word] = value
    return copied


def mutants(schema: Json) -> Iterator[tuple[str, Json]]:
    """The schema with one thing otherwise, for each thing that it says."""
    for path, node in nodes(schema):
        for word in [w for w in node if not w.startswith("x-kubernetes-") and (path or w != "description")]:
            yield f"{path} without {word}", mutant(schema, path, word, None)
            yield f"{path} with another {word}", mutant(schema, path, word, other(word, node[word]))
        yield f"{path} with one more bound", mutant(schema, path, "maxProperties", 3)


@pytest.mark.parametrize(("crd", "name", "model"), MODELS)
def test_a_change_of_anything_on_either_side_is_seen(crd: Json, name: str, model: type[BaseModel]) -> None:
    ours, theirs = part(crd, name), crd_schema(model)
    count = 0
    for what, changed in mutants(ours):
        assert not same(changed, theirs), f"the CRD's {what}"
        count += 1
    for what, changed in mutants(theirs):
        assert not same(ours, changed), f"the model's {what}"
    assert count > 40


@pytest.mark.parametrize(("crd", "module"), CRDS)
def test_every_value_has_a_bound_so_that_no_rule_costs_too_much(crd: Json, module: Any) -> None:
    for path, node in nodes(schema_of(crd)):
        kind = node["type"]
        if path.startswith((".spec", ".status")):
            assert node.get("description") or path.endswith("[]"), f"{path} is not described"
            if kind == "string" and "enum" not in node:
                assert "maxLength" in node, f"{path} has no length"
        if kind == "integer":
            assert {"minimum", "maximum"} <= set(node), f"{path} has no range"
        if kind == "array":
            assert "maxItems" in node, f"{path} has no size"
        assert kind in ("object", "array", "string", "integer", "boolean"), path


@pytest.mark.parametrize(("crd", "module"), CRDS)
def test_no_unknown_field_is_kept(crd: Json, module: Any) -> None:
    for path, node in nodes(schema_of(crd)):
        assert "x-kubernetes-preserve-unknown-fields" not in node, path
        assert "additionalProperties" not in node, path
        assert node["type"] != "object" or "properties" in node or path == ".metadata", path
    assert "preserveUnknownFields" not in crd["spec"]


@pytest.mark.parametrize(("crd", "module"), CRDS)
def test_names_category_and_status_are_as_documented(crd: Json, module: Any) -> None:
    names, (version,) = crd["spec"]["names"], crd["spec"]["versions"]
    assert crd["metadata"]["name"] == f"{module.PLURAL}.{GROUP}"
    assert (crd["spec"]["group"], crd["spec"]["scope"], version["name"]) == (GROUP, "Namespaced", VERSION)
    assert (names["kind"], names["plural"], names["shortNames"]) == (module.KIND, module.PLURAL, [module.SHORT_NAME])
    assert names["categories"] == [CATEGORY]
    assert version["subresources"] == {"status": {}}
    assert version["served"]
    assert version["storage"]


@pytest.mark.parametrize(("crd", "module"), CRDS)
def test_conditions_are_a_map_by_type(crd: Json, module: Any) -> None:
    conditions = part(crd, "status")["properties"]["conditions"]
    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])


@pytest.mark.parametrize(("crd", "module"), CRDS)
def test_columns_point_at_fields_that_are_there(crd: Json, module: Any) -> None:
    paths = {path: node["type"] for path, node in nodes(schema_of(crd))} | {".metadata.creationTimestamp": "date"}
    (version,) = crd["spec"]["versions"]
    for column in version["additionalPrinterColumns"]:
        field, selects, _ = column["jsonPath"].partition("[?(@.type==")
        path = f"{field}[].reason" if selects else field
        assert path in paths, column
        assert column["type"] == paths[path] or (column["type"] == "date"), column


def test_the_columns_of_a_training_job_are_those_of_the_design() -> None:
    (version,) = JOBS["spec"]["versions"]
    assert [c["name"] for c in version["additionalPrinterColumns"]] == ["State", "Done", "%", "ETA", "Failed", "Age"]


def rules(crd: Json) -> dict[str, list[Json]]:
    return {path: node["x-kubernetes-validations"] for path, node in nodes(schema_of(crd)) if "x-kubernetes-validations" in node}


def test_rules_stand_where_they_should_and_say_which_field() -> None:
    assert set(rules(JOBS)) == {"", ".spec", ".spec.dataset"}
    assert set(rules(SCHEDULES)) == {"", ".spec.template.spec.dataset"}
    for crd, limit in ((JOBS, MAX_RESOURCE_NAME_CHARS), (SCHEDULES, training_schedule.MAX_NAME_CHARS)):
        (name,) = rules(crd)[""]
        assert name["rule"] == f"size(self.metadata.name) <= {limit}"
        assert f"metadata.name: at most {limit} characters" in name["message"]
    for crd, path in ((JOBS, ".spec.dataset"), (SCHEDULES, ".spec.template.spec.dataset")):
        assert rules(crd)[path] == [
            {"rule": "has(self.name) != has(self.uri)", "message": "dataset: give exactly one of dataset.name and dataset.uri"}
        ]


def comparison(name: str, schema: Json) -> str:
    """How one rule on the whole must speak of a field: one with a default is always there, any other comes and goes."""
    if "default" in schema or name == "dataset":
        return f"self.{name} == oldSelf.{name}"
    return f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})"


def test_one_rule_on_the_whole_spec_compares_every_field_but_those_that_may_change() -> None:
    (rule,) = rules(JOBS)[".spec"]
    fixed = {name: schema for name, schema in part(JOBS, "spec")["properties"].items() if name not in CHANGEABLE}
    assert rule["rule"] == " && ".join(comparison(name, schema) for name, schema in fixed.items())
    head, *tail = rule["messageExpression"].split(" + ")
    assert head == f"'{rule['message']}; changed:'"
    assert tail == [f"({comparison(name, schema)} ? '' : ' {name}')" for name, schema in fixed.items()]
    assert all(name in rule["message"] for name in CHANGEABLE)
