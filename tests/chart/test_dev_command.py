"""`make dev`, with programs of the names of Docker, kind and Skaffold that write down how they were called."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml
from tests.chart.kit import ROOT

TOOLS = ("docker", "kind", "kubectl", "helm", "skaffold")
SCRIPT = ROOT / "scripts" / "dev"


class Machine:
    """A PATH that holds these programs and what the script itself is made of."""

    def __init__(self, folder: Path, tools: Sequence[str] = TOOLS, bodies: Mapping[str, str] = {}) -> None:
        self.folder, self._calls = folder, folder / "calls"
        for name in ("bash", "sed", "grep", "dirname", "cat", "env"):
            (folder / name).symlink_to(shutil.which(name) or "")
        for name in tools:
            program = folder / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self._calls}"\n{bodies.get(name, "")}\n')
            program.chmod(0o755)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.folder)}
        return subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=20)

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


def test_the_cluster_is_made_when_it_is_missing_and_skaffold_is_kept_to_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path, bodies={"kind": "case $1 in get) echo levain-of-others; echo levain2;; esac"})
    done = machine.run("--profile", "dev")
    assert done.returncode == 0, done.stderr
    assert machine.calls == [
        "docker info",
        "kind get clusters",
        "kind create cluster --config kind/cluster.yaml",
        "skaffold dev --kube-context kind-levain --profile dev",
    ]


def test_a_cluster_that_is_there_is_used_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path, bodies={"kind": "echo other; echo levain"})
    assert machine.run().returncode == 0
    assert machine.calls == ["docker info", "kind get clusters", "skaffold dev --kube-context kind-levain"]
    assert yaml.safe_load((ROOT / "kind" / "cluster.yaml").read_text())["name"] == "levain"


def test_all_missing_tools_are_named_at_once_with_where_to_get_them(tmp_path: Path) -> None:
    machine = Machine(tmp_path, tools=("kubectl", "helm"))
    done = machine.run()
    assert done.returncode == 1
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [f"{tool} is missing" for tool in ("docker", "kind", "skaffold")]
    assert all(line.split(": ")[2].startswith("https://") for line in done.stderr.splitlines())
    assert machine.calls == []


@pytest.mark.parametrize("tool", ["docker", "kind"])
def test_a_tool_that_fails_is_one_line_and_nothing_is_made(tmp_path: Path, tool: str) -> None:
    machine = Machine(tmp_path, bodies={tool: "echo broken >&2; exit 1"})
    done = machine.run()
    assert done.returncode == 1
    assert done.stderr.startswith(f"levain: {tool} ")
    assert len(done.stderr.splitlines()) == 1
    assert not [call for call in machine.calls if "create" in call or call.startswith("skaffold")]


def test_a_cluster_that_can_not_be_made_ends_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path, bodies={"kind": "[ $1 = get ] || exit 3"})
    assert machine.run().returncode == 3
    assert not [call for call in machine.calls if call.startswith("skaffold")]
