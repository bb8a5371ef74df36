"""A reader of our pages at a shell, with kubectl and Helm for a release on the tests' API server."""

import os
import subprocess
from pathlib import Path

from tests.chart.kit import CHART, helm
from tests.cluster.control_plane import binary
from tests.cluster.release import Release

# Pods never run here: whatever waits for one, or speaks to one, does nothing.
KUBECTL = """#!/bin/sh
case " $* " in *" exec "*|*" wait "*|*" logs "*|*" top "*) exec cat >/dev/null;; esac
exec {binary} kubectl --kubeconfig={config} "$@"
"""
HELM = """#!/bin/sh
[ "$1" = test ] && exit
for word; do shift; [ "$word" = --wait ] || set -- "$@" "$word"; done
exec {helm} --kubeconfig={config} "$@"
"""


class Shell:
    """In a folder of its own with the chart, as a reader in the namespace of a release."""

    def __init__(self, folder: Path, release: Release) -> None:
        self._folder, self._release = folder, release
        (folder / "charts").symlink_to(CHART.parent)
        tools = folder / "bin"
        tools.mkdir()
        for name, text in (("kubectl", KUBECTL), ("helm", HELM)):
            program = tools / name
            program.write_text(text.format(binary=binary(), helm=helm(), config=release.config))
            program.chmod(0o755)
        self._environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(release.cluster.folder)}

    def run(self, block: str, **environment: str) -> None:
        here = block.replace("namespace levain", f"namespace {self._release.namespace}")
        here = here.replace("serviceaccount:levain:", f"serviceaccount:{self._release.namespace}:")
        command = ["bash", "-euo", "pipefail", "-c", here]
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"{here}\n{done.stdout}{done.stderr}"
