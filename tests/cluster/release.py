"""The chart installed in a namespace of a real API server, as tests look at it."""

import json
from typing import Any

import yaml
from tests.chart.kit import Json, Refused, run
from tests.cluster.control_plane import Cluster

from levain.errors import CommandFailed

KINDS = "customresourcedefinition.apiextensions.k8s.io"
OURS = (f"{KINDS}/trainingjobs.levain.dev", f"{KINDS}/trainingschedules.levain.dev")


class Release:
    """The release `levain` in a namespace of its own."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.config = cluster.kubeconfig(namespace=namespace)

    def helm(self, *arguments: str, values: Json | None = None, seconds: float = 50) -> str:
        """Raises `Refused`."""
        with_values = ["--values", "-"] if values is not None else []
        where = ("--kubeconfig", str(self.config), "--namespace", self.namespace)
        done = run(*arguments, *where, *with_values, values=yaml.safe_dump(values or {}), home=self.cluster.folder, seconds=seconds)
        if done.returncode:
            raise Refused(done.stderr)
        return done.stdout

    def has(self, name: str) -> bool:
        return bool(self.kubectl("get", name, "--ignore-not-found"))

    def get(self, *what: str) -> list[Json]:
        found: list[Json] = json.loads(self.kubectl("get", *what, "-o", "json"))["items"]
        return found

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return self.cluster.kubectl(f"--namespace={self.namespace}", *arguments, **options)

    def delete_kinds(self) -> None:
        """The API server tries a deletion that it could not finish again after ever longer pauses: one of 20 s has been seen."""
        try:
            self.kubectl("delete", *OURS, "--ignore-not-found", "--timeout=100s", seconds=110)
        except CommandFailed as error:
            error.add_note(self.kubectl("get", KINDS, "-o", "jsonpath={range .items[*]}{.metadata}{.status.conditions}{'\\n'}{end}"))
            raise

    def secrets(self) -> dict[str, Json]:
        return {s["metadata"]["name"]: s["data"] for s in self.get("secrets") if s["type"] == "Opaque"}

    def workloads(self) -> dict[str, tuple[str, Json]]:
        """Of each its UID, which a new one would not have, and its pods' template."""
        found = self.get("deployments,statefulsets")
        return {o["metadata"]["name"]: (o["metadata"]["uid"], o["spec"]["template"]) for o in found}

    def rest(self) -> set[str]:
        """All that is left of the release, of any kind that can be listed, in its namespace and outside."""
        found: set[str] = set()
        for scope in ("true", "false"):
            kinds = self.kubectl("api-resources", "--verbs=list", f"--namespaced={scope}", "-o", "name").split()
            found.update(self.kubectl("get", ",".join(kinds), "--selector=app.kubernetes.io/instance=levain", "-o", "name").split())
        return found


def restarted(release: Release) -> set[str]:
    """Takes the marks off."""
    found = set()
    for o in release.get("deployments,statefulsets"):
        if "kubectl.kubernetes.io/restartedAt" in o["spec"]["template"]["metadata"].get("annotations", {}):
            name = f"{o['kind'].lower()}/{o['metadata']['name']}"
            found.add(name)
            mark = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": None}}}}}
            release.kubectl("patch", name, "--patch", yaml.safe_dump(mark))
    return found
