"""Helm as the tests call it, what it renders as objects, and the sets of values that every promise is checked on."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from tests.cache import cache as builds

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "levain"
EXAMPLES = ROOT / "examples"

Json = dict[str, Any]


@cache
def helm() -> str | None:
    """In the places where scripts/helm looks; None where it is in none of them."""
    built = builds() / "bin" / "helm"
    named = os.environ.get("LEVAIN_HELM")
    if named and os.access(named, os.X_OK):
        return named
    return shutil.which("helm") or (str(built) if os.access(built, os.X_OK) else None)


def run(*arguments: str, values: str = "", home: Path | None = None, seconds: float = 50) -> subprocess.CompletedProcess[str]:
    """`home`: where Helm keeps what it learnt of a cluster."""
    program = helm()
    assert program is not None
    environment = os.environ | ({"HOME": str(home)} if home else {})
    return subprocess.run(
        [program, *arguments], input=values, env=environment, capture_output=True, text=True, check=False, timeout=seconds
    )


class Refused(Exception):
    """What Helm said."""


class Set(NamedTuple):
    """Values as they are given to Helm: files of `examples`, and more of the same form on top."""

    files: tuple[str, ...] = ()
    more: Mapping[str, Any] = {}

    @property
    def arguments(self) -> list[str]:
        named = [part for file in self.files for part in ("--values", str(EXAMPLES / file))]
        return [*named, "--values", "-"]

    @property
    def text(self) -> str:
        return yaml.safe_dump(dict(self.more))

    def template(self, *options: str, release: str = "levain", chart: Path = CHART, namespace: str = "bakery") -> str:
        """Raises `Refused`."""
        done = run("template", release, str(chart), "--namespace", namespace, *options, *self.arguments, values=self.text)
        if done.returncode:
            raise Refused(done.stderr)
        return done.stdout

    def objects(self) -> "Objects":
        return _rendered(self.files, self.text)


class Objects(list[Json]):
    def of(self, kind: str) -> "Objects":
        return Objects(o for o in self if o["kind"] == kind)

    def named(self, kind: str, name: str) -> Json:
        (found,) = [o for o in self.of(kind) if o["metadata"]["name"] == name]
        return found

    def pods(self) -> Iterator[tuple[str, Json]]:
        """Each pod's component and spec."""
        for o in self:
            spec = o["spec"] if o["kind"] == "Pod" else o.get("spec", {}).get("template", {}).get("spec")
            if o["kind"] in ("Pod", "Deployment", "StatefulSet", "Job"):
                yield o["metadata"]["labels"]["app.kubernetes.io/component"], spec

    def containers(self) -> Iterator[tuple[str, Json]]:
        for component, spec in self.pods():
            for container in [*spec.get("initContainers", []), *spec["containers"]]:
                yield component, container

    def container(self, component: str) -> Json:
        (found,) = [c for at, c in self.containers() if at == component == c["name"]]
        return found

    def environment(self, component: str) -> Mapping[str, Json]:
        return {variable["name"]: variable for variable in self.container(component)["env"]}


@cache
def _rendered(files: tuple[str, ...], text: str) -> Objects:
    done = Set(files, yaml.safe_load(text)).template()
    return Objects(o for o in yaml.load_all(done, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if o)


POSTGRESQL: Json = {"type": "postgresql", "existingSecret": "db"}
EXTERNAL: Json = {
    "rabbitmq": {"enabled": False},
    "broker": {
        "training": {"existingSecret": "rabbit", "key": "connection_string"},
        "worker": {"existingSecret": "rabbit", "key": "worker"},
    },
}
REFERENCE: Json = {"secrets": {"existingSecret": "passwords"}}
MONITORED: Json = {"monitoring": {"podMonitor": {"enabled": True}, "rules": {"enabled": True}, "dashboards": {"enabled": True}}}
JWKS: Json = {
    "auth": {
        "shared": {"enabled": False},
        "issuers": [{"issuer": "https://id.example", "algorithm": "ES256", "jwks_url": "https://id.example/jwks"}],
    }
}

SETS: Mapping[str, Set] = {
    "default": Set(),
    "kind": Set(("values-kind.yaml",)),
    "small": Set(("values-small.yaml",)),
    "production": Set(("values-production.yaml",)),
    "secrets by reference": Set(more=REFERENCE),
    "PostgreSQL": Set(more={"database": POSTGRESQL, "training": {"replicas": 3}} | REFERENCE),
    "external broker": Set(more=EXTERNAL),
    "external broker with KEDA": Set(more=EXTERNAL | {"workers": {"keda": {"enabled": True, "existingSecret": "management"}}}),
    "KEDA": Set(more={"workers": {"keda": {"enabled": True}}}),
    "autoscaled": Set(more={part: {"autoscaling": {"enabled": True}} for part in ("gateway", "workers")}),
    "monitored": Set(more=MONITORED),
    "no operator": Set(more={"operator": {"enabled": False}, "crds": {"enabled": False}}),
    "public keys": Set(more=JWKS | {"tests": {"existingSecret": "viewer"}}),
    "routes": Set(
        more={
            "ingress": {"enabled": True, "hosts": ["levain.example"], "className": "nginx"},
            "httpRoute": {"enabled": True, "parentRefs": [{"name": "edge"}], "hostnames": ["levain.example"]},
        }
    ),
    "datasets by URI": Set(
        more={
            "training": {"uriPrefixes": {"*": ["s3://exports/levain/"]}, "extraEnv": [{"name": "AWS_REGION", "value": "eu-west-3"}]},
            "networkPolicy": {"datasets": {"enabled": True}},
        }
    ),
    "no volumes": Set(
        more={
            "rabbitmq": {"persistence": {"enabled": False}},
            "database": {"sqlite": {"existingClaim": "mine"}},
            "networkPolicy": {"enabled": False},
            "podDisruptionBudget": {"enabled": False},
        }
    ),
    "platform's own users": Set(more={"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}}),
    "developing": Set(("values-kind.yaml",), {"dev": {"enabled": True}}),
    "slow drains": Set(
        more={
            "gateway": {"preStopSeconds": 20, "settings": {"LEVAIN_DRAIN_SECONDS": 120}},
            "training": {"settings": {"LEVAIN_DRAIN_SECONDS": 90.5, "LEVAIN_MAX_DATASET_BYTES": 2147483648}},
            "workers": {"settings": {"LEVAIN_GRACE_SECONDS": 600}},
            "global": {"imageRegistry": "r.example", "imagePullSecrets": [{"name": "pull"}], "ofTheParent": True},
        }
    ),
}
# Where nothing is made by chance.
BY_REFERENCE = ("production", "secrets by reference", "PostgreSQL")
