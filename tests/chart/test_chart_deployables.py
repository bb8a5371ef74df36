"""What the recipe leaves of our code in each image: all that the deployable imports, and nothing else."""

import ast
import os
import subprocess
import sys
import sysconfig
import tomllib
from functools import cache
from pathlib import Path

import pytest
from tests.chart.kit import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = {Path(path).name: ROOT / path for path in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
DOORS = {
    "gateway": "levain_gateway.__main__",
    "training": "levain_training.__main__, levain_training.service, levain_training.worker, levain_training.analysis_child",
    "operator": "levain_operator.__main__, levain_operator.operate",
}


@cache
def imported(package: str) -> set[str]:
    """Our packages that it imports anywhere, itself too."""
    found = {package}
    for file in PACKAGES[package].rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").partition(".")[0])
    return found & PACKAGES.keys()


def needed(package: str) -> set[str]:
    found: set[str] = set()
    waiting = {package}
    while waiting:
        found |= waiting
        waiting = set().union(*(imported(name) for name in waiting)) - found
    return found


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", f"--wheel-dir={folder}", str(ROOT)]
    subprocess.run(build, check=True, timeout=50)
    return folder


@pytest.fixture(params=DOORS)
def deployable(request: pytest.FixtureRequest, wheels: Path, tmp_path: Path) -> tuple[str, Path]:
    """Its name, and the prefix that the recipe's own script filled with our code."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True, timeout=50)
    pip = tmp_path / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip --quiet --disable-pip-version-check "$@"\n')
    pip.chmod(0o755)
    environment = os.environ | {"PREFIX": str(tmp_path), "CODE": str(tmp_path), "PIP": str(pip), "WHEELS": str(wheels)}
    subprocess.run([ROOT / "scripts" / "install-deployable", "code", request.param], env=environment, check=True, timeout=50)
    return request.param, tmp_path


def test_an_image_holds_the_packages_that_its_deployable_imports_and_starts_with_them(deployable: tuple[str, Path]) -> None:
    name, prefix = deployable
    (site,) = prefix.glob("lib/python*/site-packages")
    assert {path.name for path in site.iterdir() if path.suffix != ".dist-info"} == needed(f"levain_{name}")
    assert {path.name for path in (prefix / "bin").glob("levain*")} == {f"levain-{name}"}
    # The libraries of others come from here; no .pth is read, so our own sources are out of reach.
    script = f"import sys; sys.path.append({sysconfig.get_path('purelib')!r}); import {DOORS[name]}"
    done = subprocess.run([prefix / "bin" / "python3", "-I", "-c", script], capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr


def test_a_name_that_is_no_deployables_is_refused() -> None:
    done = subprocess.run([ROOT / "scripts" / "install-deployable", "code", "levain"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "no deployable is called levain\n")
