"""The peer of the operator: what one writes with kopf and the kubernetes client in ten minutes. It patches each TrainingJob twice."""

import os
from datetime import UTC, datetime
from typing import Any

import kopf

import kubernetes

_PLACE = ("levain.dev", "v1alpha1")


@kopf.on.startup()
def configured(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False
    kubernetes.config.load_kube_config(os.environ["KUBECONFIG"])  # type: ignore[no-untyped-call]


@kopf.on.create(*_PLACE, "trainingjobs")
def created(namespace: str | None, name: str, **_: Any) -> None:
    assert namespace is not None
    api = kubernetes.client.CustomObjectsApi()
    for status in ({"jobId": "running"}, {"jobId": "ended", "completionTime": datetime.now(UTC).isoformat()}):
        api.patch_namespaced_custom_object_status(*_PLACE, namespace, "trainingjobs", name, {"status": status})
