"""Who reaches whom: pods that wear no label of ours, or one, in our namespace and in others."""

import pytest
from tests.node.probing import reached
from tests.node.release import RunningRelease

pytestmark = [pytest.mark.node, pytest.mark.parametrize("release", ["SQLite"], indirect=True, scope="session")]

_PORTS = {"gateway": 80, "training": 8000, "rabbitmq": 5672}


def _reached(release: RunningRelease, namespace: str, component: str | None = None) -> set[str]:
    """Services by their components, and `metrics`, which are the training service's, by its pod's address."""
    targets = {f"{release.name}-{part}.{release.namespace}:{port}": part for part, port in _PORTS.items()}
    (training, *_) = release.pods("training")
    targets[f"{training['status']['podIP']}:9090"] = "metrics"
    ours = {"app.kubernetes.io/name": "levain", "app.kubernetes.io/instance": release.name}
    labels = None if component is None else ours | {"app.kubernetes.io/component": component}
    return {targets[target] for target in reached(release.cluster, namespace, list(targets), labels)}


def test_a_pod_without_a_label_of_ours_reaches_the_gateway_alone(release: RunningRelease) -> None:
    assert _reached(release, release.namespace) == {"gateway"}


def test_a_pod_of_another_namespace_reaches_the_gateway_alone_whatever_it_says_that_it_is(release: RunningRelease) -> None:
    assert _reached(release, "default", "operator") == {"gateway"}


def test_an_operator_reaches_the_training_service_and_no_broker(release: RunningRelease) -> None:
    assert _reached(release, release.namespace, "operator") == {"training"}


def test_a_worker_reaches_the_broker_alone(release: RunningRelease) -> None:
    assert _reached(release, release.namespace, "worker") == {"rabbitmq"}


def test_what_is_where_prometheus_is_reaches_metrics_and_no_service_but_the_gateway(release: RunningRelease) -> None:
    release.cluster.kubectl("create", "namespace", "monitoring")
    try:
        assert _reached(release, "monitoring") == {"gateway", "metrics"}
    finally:
        release.cluster.kubectl("delete", "namespace", "monitoring", seconds=60)
