"""Pods of the tests' own beside the chart's: one that tries to reach others, Prometheus and PostgreSQL."""

import json
from typing import Any
from urllib.parse import quote

import yaml
from tests.cluster.control_plane import Cluster
from tests.node.images import SERVERS, image_of

Json = dict[str, Any]

_READY_SECONDS = 90
# A policy takes a moment until it holds for a new pod: what counts is how it ends.
_PROBE = """
import socket, sys, time
def reached(target):
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True
for _ in range(6):
    found = {target: reached(target) for target in sys.argv[1:]}
    time.sleep(1)
print(__import__("json").dumps(found))
"""
_RESTRICTED: Json = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
    "runAsNonRoot": True,
    "runAsUser": 10001,
}


def reached(cluster: Cluster, namespace: str, targets: list[str], labels: dict[str, str] | None = None) -> set[str]:
    """Which of the targets, each `host:port`, a pod with these labels reaches."""
    container = {"name": "probe", "image": image_of("gateway"), "command": ["python3", "-c", _PROBE, *targets]}
    spec = {"restartPolicy": "Never", "containers": [container | {"securityContext": _RESTRICTED}], "enableServiceLinks": False}
    metadata = {"name": "probe", "namespace": namespace, "labels": labels or {}}
    _apply(cluster, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    at = f"--namespace={namespace}"
    cluster.kubectl(at, "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/probe", "--timeout=120s", seconds=130)
    said = cluster.kubectl(at, "logs", "probe")
    cluster.kubectl(at, "delete", "pod", "probe", "--grace-period=0", "--force")
    return {target for target, is_reached in json.loads(said).items() if is_reached}


def start_prometheus(cluster: Cluster, namespace: str) -> None:
    """In the namespace `monitoring`, from where the chart lets itself be scraped by default; it finds the pods by their ports' names."""
    metrics = {"source_labels": ["__meta_kubernetes_pod_container_port_name"], "regex": ".*metrics", "action": "keep"}
    pod = {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"}
    found_by = {"kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [namespace]}}], "relabel_configs": [metrics, pod]}
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [{"job_name": "pods", **found_by}]}
    rights = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": "monitoring"}
    command = ["prometheus", "--config.file=/config/prometheus.yml", "--storage.tsdb.path=/tmp/prometheus"]
    _apply(
        cluster,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "prometheus", "namespace": namespace},
            "roleRef": rights,
            "subjects": [subject],
        },
        _config_map("prometheus", "monitoring", {"prometheus.yml": yaml.safe_dump(config)}),
        _server("prometheus", "monitoring", command, 9090, "/-/ready"),
    )
    _until_ready(cluster, "monitoring", "prometheus")


def asked(cluster: Cluster, query: str) -> dict[str, float]:
    """An instant query: the values by pod."""
    path = f"/api/v1/namespaces/monitoring/pods/prometheus:9090/proxy/api/v1/query?query={quote(query)}"
    status, answer = cluster.call("GET", path)
    assert status == 200, answer
    return {result["metric"].get("pod", ""): float(result["value"][1]) for result in answer["data"]["result"]}


_POSTGRES = """
export PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
initdb --encoding=UTF8 --pgdata=/tmp/data --auth-local=trust --auth-host=scram-sha-256 --pwfile=/config/password >/dev/null
echo "host all all 0.0.0.0/0 scram-sha-256" >> /tmp/data/pg_hba.conf
exec postgres -D /tmp/data -c listen_addresses='*' -c unix_socket_directories=/tmp
"""


def start_postgres(cluster: Cluster, namespace: str) -> str:
    """The address of its database for the service; it lasts as long as the pod."""
    _apply(
        cluster,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        _config_map("postgres", namespace, {"password": "for-tests", "start.sh": _POSTGRES}),
        _server("postgres", namespace, ["sh", "-eu", "/config/start.sh"], 5432),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "postgres", "namespace": namespace},
            "spec": {"selector": {"app": "postgres"}, "ports": [{"port": 5432}]},
        },
    )
    _until_ready(cluster, namespace, "postgres")
    return f"postgresql+psycopg://postgres:for-tests@postgres.{namespace}:5432/postgres"


def _server(name: str, namespace: str, command: list[str], port: int, path: str = "") -> Json:
    probe: Json = {"httpGet": {"path": path, "port": port}} if path else {"tcpSocket": {"port": port}}
    container = {
        "name": name,
        "image": SERVERS.image,
        "command": command,
        "ports": [{"containerPort": port}],
        "readinessProbe": probe | {"periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    }
    spec = {"containers": [container], "volumes": [{"name": "config", "configMap": {"name": name}}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}}, "spec": spec}


def _config_map(name: str, namespace: str, data: dict[str, str]) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def _until_ready(cluster: Cluster, namespace: str, pod: str) -> None:
    ready = ("wait", "--for=condition=Ready", f"pod/{pod}", f"--timeout={_READY_SECONDS}s")
    cluster.kubectl(f"--namespace={namespace}", *ready, seconds=_READY_SECONDS + 10)


def _apply(cluster: Cluster, *objects: Json) -> None:
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(objects))
