"""The recipe of the images, and that the chart fits to it."""

import re
import shlex

import pytest
import yaml
from tests.chart.kit import CHART, ROOT, SETS

pytestmark = pytest.mark.chart

DEPLOYABLES = ("gateway", "training", "operator")
RECIPE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


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


def test_what_a_target_does_as_root_ends_as_no_root() -> None:
    for name in DEPLOYABLES:
        users = [line for line in stages()[name] if line.startswith("USER ")]
        assert users == ([] if name != "training" else ["USER 0:0", "USER 10001:10001"])


def test_the_training_image_has_what_lightgbm_is_linked_to() -> None:
    assert "lightgbm==" in (ROOT / "requirements" / "training.txt").read_text()
    assert "install --yes --no-install-recommends libgomp1" in "\n".join(stages()["training"])


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
    path = SETS["default"].objects().environment("training")["LEVAIN_SAMPLE"]["value"]
    assert f"COPY cli/levain/sample/bakery.csv {path.replace('/opt/levain', '/code')}\n" in RECIPE
    assert "COPY --from=training-build /code /opt/levain\n" in RECIPE
