"""Dockerfile, skaffold.yaml, chart and values fit together."""

import json
import re
import shlex
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml
from tests.chart.kit import CHART, ROOT, SETS, Json, Set

pytestmark = pytest.mark.chart

DEPLOYABLES = ("gateway", "training", "operator")
RECIPE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def skaffold() -> Json:
    loaded: Json = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    return loaded


def stages() -> dict[str, list[str]]:
    """Each stage's instructions, its FROM first."""
    found: dict[str, list[str]] = {}
    for line in RECIPE.splitlines():
        if line.startswith("FROM "):
            found[line.split()[-1]] = []
        if found and line and not line.startswith("#"):
            found[list(found)[-1]].append(line)
    return found


def test_a_target_per_deployable_runs_as_no_root_and_says_what_it_is() -> None:
    assert set(DEPLOYABLES) <= stages().keys()
    run = "\n".join(stages()["run"])
    user = re.search(r"^USER (\d+):(\d+)$", run, re.MULTILINE)
    assert user is not None
    assert int(user[1]) == yaml.safe_load((CHART / "values.yaml").read_text())["podSecurityContext"]["runAsUser"]
    for name in DEPLOYABLES:
        text = "\n".join(stages()[name])
        assert text.startswith("FROM run AS ")
        assert f'image.title="levain-{name}"' in text
        assert f"COPY --from={name}-build /opt/levain /opt/levain" in text


def test_an_image_is_installed_from_its_own_lock_with_hashes() -> None:
    for name in DEPLOYABLES:
        build = "\n".join(stages()[f"{name}-build"])
        assert (ROOT / "requirements" / f"{name}.txt").is_file()
        assert set(re.findall(r"requirements/(\w+)\.txt", build)) == {name}
    assert "--require-hashes --no-deps" in (ROOT / "scripts" / "install-deployable").read_text()


def test_what_is_copied_exists_and_is_let_through_by_the_dockerignore() -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in RECIPE.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in shlex.split(line)[1:-1]:
                assert (ROOT / source).exists(), source
                assert any(source == path or source.startswith(f"{path}/") for path in let_in), source


def test_the_version_is_the_projects() -> None:
    project = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    default = re.search(r"^ARG VERSION=(.+)$", RECIPE, re.MULTILINE)
    assert project is not None
    assert default is not None
    assert project[1] == chart["appVersion"] == default[1]


def test_the_chart_starts_commands_that_the_project_has() -> None:
    scripts = re.findall(r"^(levain-\w+) = ", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    for component, container in SETS["default"].objects().containers():
        if component not in ("rabbitmq", "test"):
            assert container["command"][0] in scripts
            assert container["image"].partition(":")[0] == container["command"][0]


def test_the_sample_is_where_the_image_has_it() -> None:
    assert f"COPY cli/levain/sample/bakery.csv {SETS['default'].objects().environment('training')['LEVAIN_SAMPLE']['value']}" in RECIPE


def test_every_artifact_of_skaffold_is_a_target_and_is_used_by_the_chart() -> None:
    config = skaffold()
    (release,) = config["deploy"]["helm"]["releases"]
    for build in (config["build"], config["profiles"][0]["build"]):
        assert {a["image"]: a["docker"]["target"] for a in build["artifacts"]} == {f"levain-{name}": name for name in DEPLOYABLES}
        assert all((ROOT / a["docker"]["dockerfile"]).is_file() for a in build["artifacts"])
    templates = release["setValueTemplates"]
    assert templates == {
        f"{name}.image.{field}": f"{{{{.IMAGE_{part}_levain_{name}}}}}"
        for name in DEPLOYABLES
        for field, part in (("repository", "REPO"), ("tag", "TAG"))
    }
    more: dict[str, Any] = {}
    for path in templates:
        name, image, field = path.split(".")
        more.setdefault(name, {}).setdefault(image, {})[field] = f"{field}-of-{name}"
    files = tuple(file.removeprefix("examples/") for file in release["valuesFiles"])
    objects = Set(files, more).objects()
    for name in DEPLOYABLES:
        assert objects.container(name)["image"] == f"repository-of-{name}:tag-of-{name}"


def test_skaffolds_paths_exist_and_its_values_are_in_the_schema() -> None:
    config = skaffold()
    (release,) = config["deploy"]["helm"]["releases"]
    assert (ROOT / release["chartPath"]).samefile(CHART)
    assert all((ROOT / file).is_file() for file in release["valuesFiles"])
    schema = json.loads((CHART / "values.schema.json").read_text())
    patched = config["profiles"][0]["patches"][0]["value"]
    for path in (*release["setValueTemplates"], *patched):
        at = schema
        for part in path.split("."):
            at = at["properties"][part]
            at = schema["definitions"][at["$ref"].rpartition("/")[2]] if "$ref" in at else at


def test_skaffold_forwards_the_gateways_port() -> None:
    (forward,) = skaffold()["portForward"]
    service = SETS["kind"].objects().named("Service", forward["resourceName"])
    assert [port["port"] for port in service["spec"]["ports"]] == [forward["port"]]


def test_what_is_synced_lands_where_the_pods_reload_it() -> None:
    objects = SETS["developing"].objects()
    for artifact in skaffold()["profiles"][0]["build"]["artifacts"]:
        name = artifact["docker"]["target"]
        assert {"name": "live", "mountPath": "/live"} in objects.container(name)["volumeMounts"]
        for rule in artifact["sync"]["manual"]:
            matching = [p for p in ROOT.glob(rule["src"]) if fnmatch(str(p.relative_to(ROOT)), rule["src"].replace("**/", "*"))]
            assert matching
            assert all(str(p.relative_to(ROOT)).startswith(rule["strip"]) for p in matching)
            # What is left is a package of ours, as it lies in the image.
            assert {p.relative_to(ROOT / rule["strip"]).parts[0].partition("_")[0] for p in matching} == {"levain"}
            assert rule["dest"] == "/live"
