"""The commands of docs/runbook.md, as they stand there, on a real API server; what speaks to a pod is passed over."""

import pytest
import yaml
from tests.chart.kit import CHART
from tests.chart.pages import RUNBOOK, all_commands
from tests.cluster.release import Release, restarted
from tests.cluster.shell import Shell

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.timeout(180)]

LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "levain-operator"}}


def test_every_command_of_the_runbook_goes_as_written(release: Release, shell: Shell) -> None:
    release.helm("install", "levain", str(CHART))
    release.kubectl("create", "-f", "-", input=yaml.safe_dump(LEASE))
    blocks = all_commands(RUNBOOK)
    assert len(blocks) > 15
    for block in blocks:
        shell.run(block)
        # A second restart within the same second would be refused.
        assert bool(restarted(release)) is ("rollout restart" in block)
