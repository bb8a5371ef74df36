"""What the chart takes: linted, the same each time, documented, and as a part of another chart."""

import json
from pathlib import Path

import pytest
import yaml
from scripts.make_chart_docs import described, table
from tests.chart.kit import BY_REFERENCE, CHART, EXAMPLES, SETS, Json, Refused, Set, run

from levain_gateway.settings import SETTINGS as GATEWAY
from levain_operator.settings import SETTINGS as OPERATOR
from levain_settings import Setting
from levain_training.settings import SETTINGS as TRAINING
from levain_training.worker_settings import SETTINGS as WORKER

pytestmark = pytest.mark.chart

# What the chart sets by itself, or what no pod needs.
OWN = {
    "gateway": {"LISTEN", "METRICS_LISTEN", "UPSTREAM_URL", "TRUSTED_ISSUERS", "TENANT_CLAIM", "STATIC_DIR"},
    "training": {
        *("LISTEN", "METRICS_LISTEN", "BROKER_URL", "DATABASE_URL"),
        *("TRUSTED_ISSUERS", "TENANT_CLAIM", "SAMPLE", "URI_PREFIXES"),
    },
    "workers": {"METRICS_LISTEN", "BROKER_URL"},
    "operator": {
        *("METRICS_LISTEN", "TRAINING_URL", "OPERATOR_SECRET", "TENANT_CLAIM"),
        *("LEASE_NAMESPACE", "IDENTITY", "KUBECONFIG"),
    },
}


def test_helm_lint_finds_nothing(values: Set) -> None:
    done = run("lint", str(CHART), "--strict", *values.arguments, values=values.text)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("name", BY_REFERENCE)
def test_with_secrets_by_reference_two_renderings_are_the_same(name: str) -> None:
    assert SETS[name].template() == SETS[name].template()
    assert not SETS[name].objects().of("Secret")


@pytest.mark.parametrize(("part", "table"), [("gateway", GATEWAY), ("training", TRAINING), ("workers", WORKER), ("operator", OPERATOR)])
def test_every_setting_of_a_process_may_be_set_but_those_that_the_chart_knows_itself(part: str, table: tuple[Setting, ...]) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    offered = set(schema["properties"][part]["properties"]["settings"]["properties"])
    assert offered == {setting.name for setting in table} - {f"LEVAIN_{name}" for name in OWN[part]}


def test_every_value_of_the_schema_has_a_default_and_is_described() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    text = (CHART / "values.yaml").read_text()
    documented = described(text)
    defaults = yaml.safe_load(text)
    paths = set(_paths(schema, schema))
    assert paths == set(_default_paths(defaults, paths))
    silent = {path for path in paths if not any(path[: len(d)] == d for d in documented)}
    assert {".".join(path) for path in silent} <= {"auth.shared.enabled", "auth.shared.issuer", "auth.shared.audience"}


def _paths(schema: Json, whole: Json, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Of every value that is no group of others."""
    if "$ref" in schema:
        schema = whole["definitions"][schema["$ref"].rpartition("/")[2]]
    if at[-1:] in (("settings",), ("resources",), ("podSecurityContext",)) or "properties" not in schema:
        return [at]
    return [path for name, child in schema["properties"].items() for path in _paths(child, whole, (*at, name))]


def _default_paths(values: object, known: set[tuple[str, ...]], at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if at in known or not isinstance(values, dict):
        return [at]
    return [path for name, child in values.items() for path in _default_paths(child, known, (*at, name))]


def test_the_table_of_the_readme_has_a_row_for_every_documented_value_with_its_default() -> None:
    text = """
# -- A group.
group:
  # -- One | of
  # two lines.
  one: {a: [1, "b"]}
  # Not for the table.
  two: 2
  # -- On or off.
  three: false
"""
    assert table(text).splitlines()[2:] == [
        "| `group` | object | | A group. |",
        '| `group.one` | object | `{"a": [1, "b"]}` | One \\| of two lines. |',
        "| `group.three` | boolean | `false` | On or off. |",
    ]


def test_numbers_are_written_as_the_processes_read_them() -> None:
    environment = SETS["slow drains"].objects().environment("training")
    assert environment["LEVAIN_MAX_DATASET_BYTES"]["value"] == "2147483648"
    assert environment["LEVAIN_DRAIN_SECONDS"]["value"] == "90.5"


def test_a_parent_chart_may_hold_it_under_a_condition(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    (parent / "charts" / "levain").symlink_to(CHART)
    dependency = {"name": "levain", "version": "*", "condition": "levain.enabled"}
    (parent / "Chart.yaml").write_text(
        yaml.safe_dump({"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]})
    )
    shared = {"global": {"imageRegistry": "r.example"}}
    rendered = Set(more=shared | {"levain": {"enabled": True}}).template(release="shop", chart=parent)
    images = [line.split()[-1] for line in rendered.splitlines() if line.strip().startswith("image:")]
    assert images
    assert all(image.startswith("r.example/") for image in images)
    assert "kind: Deployment" not in Set(more=shared | {"levain": {"enabled": False}}).template(release="shop", chart=parent)
    with pytest.raises(Refused, match="gatway"):
        Set(more={"levain": {"enabled": True, "gatway": {}}}).template(release="shop", chart=parent)


def test_every_example_of_values_is_among_the_sets() -> None:
    files = {file for values in SETS.values() for file in values.files}
    assert files == {path.name for path in EXAMPLES.glob("values-*.yaml")}
