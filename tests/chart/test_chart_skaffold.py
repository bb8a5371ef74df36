"""skaffold.yaml is what Skaffold takes, and fits to the Dockerfile, the chart and its values."""

import json
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from tests.chart import schemas
from tests.chart.kit import CHART, ROOT, SETS, Json, Set
from tests.chart.test_chart_images import DEPLOYABLES, stages

pytestmark = pytest.mark.chart


def skaffold() -> Json:
    loaded: Json = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    return loaded


def developing() -> Json:
    """As the profile `dev` makes it."""
    config = skaffold()
    (profile,) = config.pop("profiles")
    assert profile.pop("name") == "dev"
    for patch in profile.pop("patches"):
        assert patch["op"] == "add"
        *groups, name = patch["path"].strip("/").split("/")
        at: Any = config
        for group in groups:
            at = at[int(group) if isinstance(at, list) else group]
        assert name not in at
        at[name] = patch["value"]
    made: Json = config | profile
    return made


def refusals(config: Json) -> list[str]:
    schema = json.loads(schemas.skaffold().read_text())
    assert config["apiVersion"] == f"skaffold/{schemas.skaffold().stem.partition('-')[2]}"
    return [error.message for error in Draft7Validator(schema).iter_errors(config)]


def test_skaffold_takes_it_with_and_without_the_profile_and_refuses_what_is_wrong() -> None:
    assert refusals(skaffold()) == refusals(developing()) == []
    for path in ("build.artefacts", "deploy.helm.release", "portforward"):
        wrong = skaffold()
        *groups, name = path.split(".")
        at = wrong
        for group in groups:
            at = at[group]
        at[name] = []
        assert refusals(wrong), path


def test_every_artifact_of_skaffold_is_a_target_and_is_used_by_the_chart() -> None:
    config = skaffold()
    (release,) = config["deploy"]["helm"]["releases"]
    for build in (config["build"], developing()["build"]):
        assert {a["image"]: a["docker"]["target"] for a in build["artifacts"]} == {f"levain-{name}": name for name in DEPLOYABLES}
        for artifact in build["artifacts"]:
            context = ROOT / artifact.get("context", ".")
            assert context.samefile(ROOT)
            assert (context / artifact["docker"]["dockerfile"]).is_file()
            assert artifact["docker"]["target"] in stages()
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
    (developed,) = developing()["deploy"]["helm"]["releases"]
    assert developed["setValues"] == {"dev.enabled": True}
    for path in (*release["setValueTemplates"], *developed["setValues"]):
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
    for artifact in developing()["build"]["artifacts"]:
        name = artifact["docker"]["target"]
        assert {"name": "live", "mountPath": "/live"} in objects.container(name)["volumeMounts"]
        for rule in artifact["sync"]["manual"]:
            matching = [p for p in ROOT.glob(rule["src"]) if fnmatch(str(p.relative_to(ROOT)), rule["src"].replace("**/", "*"))]
            assert matching
            assert all(str(p.relative_to(ROOT)).startswith(rule["strip"]) for p in matching)
            # What is left is a package of ours, as it lies in the image.
            assert {p.relative_to(ROOT / rule["strip"]).parts[0].partition("_")[0] for p in matching} == {"levain"}
            assert rule["dest"] == "/live"
