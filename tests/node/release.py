"""The chart as Helm installs it on a cluster with nodes, and what tests do to its pods."""

import json
from contextlib import suppress
from typing import Any

import yaml
from tests.chart import kit as chart
from tests.chart.kit import Json, Refused
from tests.cluster.release import Release

from levain.errors import CommandFailed
from levain.tokens import issuer_of
from levain_contracts.claims import TrustedIssuer

COMPONENTS = ("gateway", "operator", "rabbitmq", "training", "worker")

_HELM_SECONDS = 250.0
_ROLLOUT_SECONDS = 180.0
_OUTSIDE = "from-outside"  # the Service of type NodePort


class RunningRelease(Release):
    """Its namespace refuses every pod that is not restricted. Methods block."""

    name = "levain"

    def make_namespace(self) -> None:
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}
        self.cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump(body))

    def install(self, values: Json) -> str:
        """Ready when it returns; what Helm says."""
        return self._waiting("install", str(chart.CHART), values=values)

    def upgrade(self, values: Json) -> str:
        return self._waiting("upgrade", str(chart.CHART), values=values)

    def uninstall(self) -> str:
        """With its pods, which Helm does not wait for."""
        said = self._waiting("uninstall")
        gone = ("wait", "--for=delete", "pod", f"--selector=app.kubernetes.io/instance={self.name}", f"--timeout={_ROLLOUT_SECONDS:g}s")
        self.kubectl(*gone, seconds=_ROLLOUT_SECONDS + 10)
        return said

    def test(self) -> str:
        return self.helm("test", self.name, seconds=_HELM_SECONDS)

    def remove(self) -> None:
        """With all that an uninstallation leaves: a claim's volume is nobody's then."""
        if self.name in self.helm("list", "--short", "--all"):
            self.uninstall()
        self.cluster.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", seconds=_ROLLOUT_SECONDS)
        self.cluster.kubectl("delete", "crd", "--ignore-not-found", "trainingjobs.levain.dev", "trainingschedules.levain.dev")

    def pods(self, component: str = "") -> list[Json]:
        """Those that are not on their way out."""
        selector = f"app.kubernetes.io/component={component}" if component else f"app.kubernetes.io/instance={self.name}"
        items = json.loads(self.kubectl("get", "pods", f"--selector={selector}", "--output=json"))["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def names(self, component: str = "") -> list[str]:
        return [pod["metadata"]["name"] for pod in self.pods(component)]

    def kill(self, pod: str) -> None:
        """At once: no preStop, no drain."""
        self.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")

    def leader(self) -> str:
        """The operator's pod that leads."""
        lease = json.loads(self.kubectl("get", "lease", "levain-operator", "--output=json"))
        return str(lease["spec"]["holderIdentity"])

    def restart_all(self) -> None:
        """Every Deployment at once, as `kubectl rollout restart` does it; the new pods are ready when it returns."""
        self.kubectl("rollout", "restart", "deployment", f"--selector=app.kubernetes.io/instance={self.name}")
        for component in COMPONENTS:
            self.until_ready(component)

    def until_ready(self, component: str) -> None:
        kind = "statefulset" if component == "rabbitmq" else "deployment"
        self.kubectl(
            "rollout", "status", f"{kind}/{self.name}-{component}", f"--timeout={_ROLLOUT_SECONDS:g}s", seconds=_ROLLOUT_SECONDS + 10
        )

    def secret(self, key: str) -> str:
        name = f"{self.name}-secrets"
        return self.kubectl("get", "secret", name, f"--output=go-template={{{{index .data {json.dumps(key)} | base64decode}}}}")

    def issuer(self) -> TrustedIssuer:
        """What signs tokens as `levain token` does."""
        return issuer_of(self.secret("token-secret"))

    def metrics(self, pod: str, port: int = 9090) -> str:
        """By the API server, as it reaches pods itself."""
        status, answer = self.cluster.call("GET", f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{port}/proxy/metrics")
        if status != 200:
            raise CommandFailed(f"no metrics of {pod}: {answer}")
        return str(answer["text"])

    def reached_at(self) -> tuple[str, int]:
        """Host and port of the gateway from outside: a Service of the tests', with pods that come and go behind it."""
        existing = self.kubectl("get", "services", "--output=name")
        if f"service/{_OUTSIDE}" not in existing.split():
            options = (f"--name={_OUTSIDE}", "--type=NodePort", "--port=80", "--target-port=http")
            self.kubectl("expose", "service", f"{self.name}-gateway", *options)
        port = self.kubectl("get", "service", _OUTSIDE, "--output=jsonpath={.spec.ports[0].nodePort}")
        template = '--output=jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'
        return self.cluster.kubectl("get", "nodes", template), int(port)

    def _waiting(self, command: str, *arguments: str, **options: Any) -> str:
        """Raises `Refused` with how its pods are, where they did not become what was asked for in time."""
        try:
            timeout = f"--timeout={_HELM_SECONDS - 10:g}s"
            return self.helm(command, self.name, *arguments, "--wait", timeout, seconds=_HELM_SECONDS, **options)
        except Refused as refused:
            raise Refused(f"{refused}\n{self._unready()}") from None

    def _unready(self) -> str:
        """What each pod that is not ready said last."""
        said = []
        for pod in self.pods():
            states = [*pod["status"].get("initContainerStatuses", []), *pod["status"].get("containerStatuses", [])]
            for state in (state for state in states if not state["ready"] and "terminated" not in state["state"]):
                name, container = pod["metadata"]["name"], state["name"]
                said.append(f"{name} {container}: {state['state']}")
                with suppress(CommandFailed):
                    said.append(self.kubectl("logs", name, f"--container={container}", "--tail=8"))
        return "\n".join(said)
