"""The commands of docs/operations.md, as they stand there, on a real API server; what needs a node or Docker is passed over."""

import subprocess
from pathlib import Path

import pytest
import yaml
from tests.chart.kit import CHART, EXAMPLES, Json
from tests.chart.pages import all_commands, commands
from tests.cluster.kit import job
from tests.cluster.release import OURS, Release, restarted
from tests.cluster.shell import Shell

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.timeout(180)]

VOLUME = [
    {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "growing"},
        "provisioner": "levain.dev/none",
        "allowVolumeExpansion": True,
    },
    {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-levain-rabbitmq-0"},
        "spec": {"storageClassName": "growing", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "4Gi"}}},
    },
]


def test_every_block_of_commands_is_a_script_that_a_shell_can_read() -> None:
    for block in all_commands():
        subprocess.run(["bash", "-n"], input=block, text=True, check=True, timeout=20)


def test_an_installation_for_production_goes_as_written(release: Release, shell: Shell, tmp_path: Path) -> None:
    values = yaml.safe_load((EXAMPLES / "values-production.yaml").read_text())
    # The Prometheus operator's kinds are not here.
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values | {"monitoring": {}}))
    _images, secrets, install = commands("## Install for production")
    release.kubectl("delete", f"namespace/{release.namespace}", "--timeout=100s", seconds=110)
    urls = {
        "DATABASE_URL": "postgresql+psycopg://u:p@db/levain",
        "TRAINING_BROKER_URL": "amqps://t:p@mq/",
        "WORKER_BROKER_URL": "amqps://w:p@mq/",
    }
    shell.run(secrets, **urls)
    shell.run(install)
    made = release.secrets()
    for o in release.get("deployments"):
        for container in [*o["spec"]["template"]["spec"].get("initContainers", []), *o["spec"]["template"]["spec"]["containers"]]:
            assert container["image"].startswith("registry.example/levain-")
            for variable in container["env"]:
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    assert made[reference["name"]][reference["key"]], variable["name"]
    upgrade, _grow = commands("## Upgrade")
    shell.run(upgrade)


def users(release: Release) -> dict[str, set[str]]:
    """The workloads whose pods read each key of the Secret."""
    found: dict[str, set[str]] = {}
    for o in release.get("deployments,statefulsets"):
        spec = o["spec"]["template"]["spec"]
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            for variable in container.get("env", []):
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    found.setdefault(reference["key"], set()).add(f"{o['kind'].lower()}/{o['metadata']['name']}")
    return found


def test_each_rotation_changes_its_keys_alone_restarts_who_reads_them_and_outlives_an_upgrade(release: Release, shell: Shell) -> None:
    release.helm("install", "levain", str(CHART))
    expected = (["token-secret"], ["operator-secret"], ["training-password", "worker-password"])
    blocks = commands("## Rotate keys")
    assert len(blocks) == len(expected)
    for block, keys in zip(blocks, expected, strict=True):
        before: Json = release.secrets()["levain-secrets"]
        shell.run(block)
        after = release.secrets()["levain-secrets"]
        assert {key for key in after if after[key] != before[key]} == set(keys)
        assert restarted(release) == set().union(*(users(release)[key] for key in keys))
        release.helm("upgrade", "levain", str(CHART))
        assert release.secrets()["levain-secrets"] == after


def test_rabbitmqs_volume_grows_as_written(release: Release, shell: Shell) -> None:
    release.helm("install", "levain", str(CHART))
    release.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(VOLUME))
    bound = yaml.safe_dump({"status": {"phase": "Bound"}})
    release.kubectl("patch", "persistentvolumeclaim/data-levain-rabbitmq-0", "--subresource=status", "--patch", bound)
    _upgrade, grow = commands("## Upgrade")
    shell.run(grow)
    (broker,) = release.get("statefulsets")
    asked = broker["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
    sizes = {c["metadata"]["name"]: c["spec"]["resources"]["requests"]["storage"] for c in release.get("persistentvolumeclaims")}
    assert asked == sizes["data-levain-rabbitmq-0"] == "9Gi"


def test_a_restore_goes_as_written_where_only_restricted_pods_are_taken(release: Release, shell: Shell, tmp_path: Path) -> None:
    release.kubectl("label", "namespace", release.namespace, "pod-security.kubernetes.io/enforce=restricted")
    release.helm("install", "levain", str(CHART))
    (tmp_path / "levain.db").write_text("")
    _backup, restore = commands("### SQLite")
    shell.run(restore.replace("kubectl --namespace levain delete pod", "kubectl --namespace levain get pod"))
    assert release.get("deployments", "--selector=app.kubernetes.io/component=training")[0]["spec"]["replicas"] == 1
    (pod,) = release.get("pods")
    (container,) = pod["spec"]["containers"]
    assert container["image"] == "levain-training:0.1.0"
    release.kubectl("delete", "pod/levain-restore", "--force")


def test_after_an_uninstall_as_written_nothing_is_left(release: Release, shell: Shell) -> None:
    release.helm("install", "levain", str(CHART))
    release.kubectl("apply", "-f", "-", input=yaml.safe_dump(job("bakery")))
    release.kubectl(
        "create",
        "-f",
        "-",
        input=yaml.safe_dump({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "levain-operator"}}),
    )
    uninstall, clean = commands("## Uninstall")
    shell.run(uninstall)
    assert set(OURS) < release.rest()
    # Nobody here takes the finalizer off, so that the claim stays to be seen as deleted.
    shell.run(clean.replace("--ignore-not-found", "--ignore-not-found --wait=false", 1))
    assert all(claim["metadata"].get("deletionTimestamp") for claim in release.get("persistentvolumeclaims"))
    assert release.rest() <= {"persistentvolumeclaim/levain-data"}
    assert not release.get("leases.coordination.k8s.io")
