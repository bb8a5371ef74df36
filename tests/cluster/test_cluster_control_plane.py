import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.cluster.control_plane import Cluster

from levain.errors import CommandFailed

pytestmark = pytest.mark.cluster

JOB: dict[str, Any] = {
    "apiVersion": "levain.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "bakery"},
    "spec": {"dataset": {"name": "sample"}},
}


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        time.sleep(0.05)


def jobs(namespace: str, name: str = "") -> str:
    return f"/apis/levain.dev/v1alpha1/namespaces/{namespace}/trainingjobs/{name}".rstrip("/")


def test_what_belongs_to_a_deleted_resource_is_collected(control_plane: Cluster, namespace: str) -> None:
    _, owner = control_plane.call("POST", jobs(namespace), JOB)
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": "bakery", "uid": owner["metadata"]["uid"]}
    owned = JOB | {"metadata": {"name": "owned", "ownerReferences": [reference]}}
    assert control_plane.call("POST", jobs(namespace), owned)[0] == 201
    assert control_plane.call("DELETE", jobs(namespace, "bakery"))[0] == 200
    until(lambda: control_plane.call("GET", jobs(namespace, "owned"))[0] == 404)


def test_a_deleted_namespace_goes_with_all_that_is_in_it(control_plane: Cluster, namespace: str) -> None:
    assert control_plane.call("POST", jobs(namespace), JOB)[0] == 201
    control_plane.kubectl("delete", "namespace", namespace, "--timeout=20s")
    assert control_plane.call("GET", jobs(namespace, "bakery"))[0] == 404


def test_a_service_account_may_do_what_its_role_says_and_no_more(control_plane: Cluster, namespace: str) -> None:
    control_plane.kubectl("create", "serviceaccount", "reader", f"--namespace={namespace}")
    token = control_plane.service_account_token(namespace, "reader")
    assert control_plane.call("GET", jobs(namespace), token=token)[0] == 403
    control_plane.kubectl("create", "role", "reader", f"--namespace={namespace}", "--verb=list", "--resource=trainingjobs.levain.dev")
    control_plane.kubectl(
        "create", "rolebinding", "reader", f"--namespace={namespace}", "--role=reader", f"--serviceaccount={namespace}:reader"
    )
    until(lambda: control_plane.call("GET", jobs(namespace), token=token)[0] == 200)
    assert control_plane.call("POST", jobs(namespace), JOB, token=token)[0] == 403
    config = control_plane.kubeconfig(token, namespace=namespace)
    assert control_plane.kubectl("auth", "whoami", f"--kubeconfig={config}", "-o", "jsonpath={.status.userInfo.username}") == (
        f"system:serviceaccount:{namespace}:reader"
    )


def test_who_has_an_answer_finds_the_request_in_the_audit_log(control_plane: Cluster, namespace: str) -> None:
    if control_plane.audit_log is None:
        pytest.skip("an existing cluster keeps its audit log to itself")
    control_plane.call("GET", jobs(namespace, "not-there"))
    events = [json.loads(line) for line in control_plane.audit_log.read_text(encoding="utf-8").splitlines()]
    (event,) = [event for event in events if event["requestURI"] == jobs(namespace, "not-there")]
    assert (event["verb"], event["objectRef"]["resource"], event["responseStatus"]["code"]) == ("get", "trainingjobs", 404)


def test_kubectl_raises_what_the_api_server_says(control_plane: Cluster, namespace: str) -> None:
    with pytest.raises(CommandFailed, match="not-there"):
        control_plane.kubectl("get", "trainingjob", "not-there", f"--namespace={namespace}")
