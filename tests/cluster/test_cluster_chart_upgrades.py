"""The chart's way from version to version on a real API server, without nodes: what is changed, what is kept, and what stays at the end."""

import pytest
import yaml
from tests.chart.kit import CHART, ROOT, Json, Refused
from tests.cluster.kit import job
from tests.cluster.release import OURS, Release

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.timeout(180)]

PREVIOUS = ROOT / "tests" / "chart" / "previous" / "levain-0.1.0.tgz"
CHANGED: Json = {
    "gateway": {"autoscaling": {"enabled": True}, "preStopSeconds": 7, "settings": {"LEVAIN_MAX_CONNECTIONS": 5000}},
    "workers": {"replicas": 4, "resources": {"limits": {"memory": "4Gi"}}},
    "rabbitmq": {"memoryHighWatermark": "700MiB"},
    "commonLabels": {"team": "bakeries"},
    "podSecurityContext": {"runAsUser": 20001},
    "ingress": {"enabled": True, "hosts": ["levain.example"]},
    "tests": {"enabled": False},
}


def test_an_upgrade_from_the_previous_version_keeps_secrets_volumes_and_jobs_and_restarts_no_pod(release: Release) -> None:
    release.helm("install", "levain", str(PREVIOUS))
    release.kubectl("apply", "-f", "-", input=yaml.safe_dump(job("bakery")))
    before = release.secrets(), release.workloads(), release.get("persistentvolumeclaims"), release.get("trainingjobs")
    assert len(before[1]) == 5

    release.helm("upgrade", "levain", str(CHART))
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    labels = [o["metadata"]["labels"]["helm.sh/chart"] for o in release.get("deployments,statefulsets,services,networkpolicies")]
    assert set(labels) == {f"levain-{version}"} != {"levain-0.1.0"}
    secrets, workloads, claims, jobs = (
        release.secrets(),
        release.workloads(),
        release.get("persistentvolumeclaims"),
        release.get("trainingjobs"),
    )
    assert (secrets, workloads, jobs) == (before[0], before[1], before[3])
    assert [c["metadata"]["uid"] for c in claims] == [c["metadata"]["uid"] for c in before[2]]

    release.helm("upgrade", "levain", str(CHART), "--reuse-values")
    assert (release.secrets(), release.workloads()) == before[:2]


def test_an_upgrade_to_changed_values_changes_what_it_should_and_no_secret(release: Release) -> None:
    release.helm("install", "levain", str(PREVIOUS))
    secrets, workloads = release.secrets(), release.workloads()
    release.helm("upgrade", "levain", str(CHART), values=CHANGED)
    assert release.secrets() == secrets
    changed = release.workloads()
    assert {name: uid for name, (uid, _) in changed.items()} == {name: uid for name, (uid, _) in workloads.items()}
    assert all(changed[name][1] != template for name, (_, template) in workloads.items())
    assert release.has("ingress/levain-gateway")
    assert release.has("horizontalpodautoscaler/levain-gateway")
    # And back: what was made for the changed values goes.
    release.helm("rollback", "levain", "1")
    assert (release.secrets(), release.workloads()) == (secrets, workloads)
    assert not release.has("ingress/levain-gateway")


def test_what_can_not_be_changed_is_refused_and_nothing_is_lost(release: Release) -> None:
    release.helm("install", "levain", str(CHART))
    before = release.workloads()
    with pytest.raises(Refused, match="StatefulSet"):
        release.helm("upgrade", "levain", str(CHART), values={"rabbitmq": {"persistence": {"size": "9Gi"}}})
    assert release.workloads().keys() == before.keys()
    release.helm("upgrade", "levain", str(CHART))
    assert release.workloads() == before


def test_an_uninstall_leaves_kinds_jobs_and_the_databases_volume_and_an_install_takes_them_up(release: Release) -> None:
    release.helm("install", "levain", str(CHART))
    release.kubectl("apply", "-f", "-", input=yaml.safe_dump(job("bakery")))
    claims, jobs = release.get("persistentvolumeclaims"), release.get("trainingjobs")
    told = release.helm("uninstall", "levain")
    assert release.rest() == {*OURS, "persistentvolumeclaim/levain-data"}
    assert all(name in told for name in ("trainingjobs.levain.dev", "trainingschedules.levain.dev", "levain-data"))
    assert release.get("trainingjobs") == jobs

    release.helm("install", "levain", str(CHART))
    assert [c["metadata"]["uid"] for c in release.get("persistentvolumeclaims")] == [c["metadata"]["uid"] for c in claims]
    assert release.get("trainingjobs") == jobs


def test_kinds_that_are_not_kept_go_with_the_release(release: Release) -> None:
    release.helm("install", "levain", str(CHART), values={"crds": {"keep": False}, "database": {"sqlite": {"existingClaim": "mine"}}})
    release.helm("uninstall", "levain", "--wait", "--timeout=30s")
    assert release.rest() == set()
