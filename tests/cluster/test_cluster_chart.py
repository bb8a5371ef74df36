"""What the chart renders, as a real API server takes it: in a dry run, which validates and warns as ever, and keeps nothing."""

from collections.abc import Callable

import pytest
import yaml
from tests.chart import schemas
from tests.chart.kit import CHART, SETS, run
from tests.cluster.control_plane import Cluster

from levain.errors import CommandFailed

# The first of them may have to get the Gateway API, which took more than 50 s on a busy machine.
pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.timeout(180)]

FOREIGN = ("gateway.networking.k8s.io", "keda.sh", "monitoring.coreos.com")
DryRun = Callable[[str], str]


@pytest.fixture(scope="module")
def kinds(control_plane: Cluster) -> Callable[[str], None]:
    """Sees to it that the cluster knows an API group of others. An existing cluster's own are left as they are."""

    def known(group: str) -> None:
        status, _ = control_plane.call("GET", f"/apis/{group}")
        if status != 200:
            files = [f"--filename={path}" for path in schemas.crds(group)]
            control_plane.kubectl("apply", "--server-side", *files)
            control_plane.kubectl("wait", "--for=condition=Established", "--timeout=50s", *files, seconds=60)

    return known


@pytest.fixture
def dry_run(control_plane: Cluster, kinds: Callable[[str], None], namespace: str) -> DryRun:
    """In a namespace that takes restricted pods only. A warning is an error: pods of a Deployment are only warned of."""
    for level in ("enforce", "warn"):
        control_plane.kubectl("label", "namespace", namespace, f"pod-security.kubernetes.io/{level}=restricted")
    # No pod is taken before its account is there.
    control_plane.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=20s", f"--namespace={namespace}")

    def run(rendered: str) -> str:
        groups = {o["apiVersion"].partition("/")[0] for o in yaml.safe_load_all(rendered) if o}
        for group in groups.intersection(FOREIGN):
            kinds(group)
        options = ("--server-side", "--dry-run=server", "--warnings-as-errors", "--force-conflicts", f"--namespace={namespace}")
        return control_plane.kubectl("apply", *options, "-f", "-", input=rendered)

    return run


@pytest.mark.parametrize("name", SETS)
def test_every_set_of_values_is_taken_by_lint_template_and_the_api_server(name: str, namespace: str, dry_run: DryRun) -> None:
    values = SETS[name]
    lint = run("lint", "--strict", str(CHART), *values.arguments, values=values.text)
    assert lint.returncode == 0, lint.stdout
    rendered = values.template(namespace=namespace)
    objects = [o for o in yaml.safe_load_all(rendered) if o]
    taken = dry_run(rendered).splitlines()
    assert len(taken) == len(objects)
    assert all(line.endswith("serverside-applied (server dry run)") for line in taken)


@pytest.mark.parametrize(
    ("name", "right", "wrong", "words"),
    [
        ("default", "enableServiceLinks:", "enableServiceLink:", "enableServiceLink: field not declared"),
        ("default", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: maybe", "readOnlyRootFilesystem"),
        ("default", "drop: [ALL]", "drop: [CHOWN]", 'would violate PodSecurity "restricted'),
        ("default", "startupProbe:", "startProbe:", "startProbe: field not declared"),
        ("default", "accessModes: [ReadWriteOnce]", "accessModes: [ReadWriteTwice]", "ReadWriteTwice"),
        ("autoscaled", "averageUtilization: 70", "averageUtilization: 0", "averageUtilization"),
        ("routes", "backendRequest: 0s", "backendRequest: 1 hour", "backendRequest"),
        ("routes", "Request: 0s\n        request: 0s", "Request: 2s\n        request: 1s", "backendRequest timeout cannot be longer"),
        ("KEDA", "parameter: username", "parametre: username", "parametre"),
        ("KEDA", "minReplicaCount: 0", "minReplicaCount: none", "minReplicaCount"),
        ("monitored", "port: broker-metrics, interval: 30s", "port: broker-metrics, interval: often", "interval"),
        ("monitored", "expr:", "expression:", "expression"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(name: str, right: str, wrong: str, words: str, namespace: str, dry_run: DryRun) -> None:
    rendered = SETS[name].template(namespace=namespace)
    assert right in rendered
    with pytest.raises(CommandFailed, match=words):
        dry_run(rendered.replace(right, wrong))
