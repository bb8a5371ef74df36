"""A real Kubernetes API server for tests: without nodes, so nothing runs in it, but whatever it accepts, refuses and says is true."""

import base64
import hashlib
import itertools
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.cache import cache

from levain.errors import CommandFailed
from levain.scaled.ports import free_port
from levain.scaled.program import Program

Json = dict[str, Any]

# Names the kubeconfig of a cluster to use instead of a private one.
EXISTING = "LEVAIN_TEST_KUBECONFIG"

_SOURCES = Path(__file__).parent / "kubernetes"
_START_SECONDS = 45.0
_CALL_SECONDS = 20.0
_KUBECTL_SECONDS = 30.0
_TESTS = "levain-tests"  # our names in an existing cluster

# Those that a cluster without nodes has work for. The aggregation of roles is for charts that extend `view`, `edit` and `admin`.
_CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "clusterrole-aggregation-controller",
)


def binary() -> Path | None:
    """What `make kube` built from the sources as they are now."""
    digest = hashlib.sha256(b"".join((_SOURCES / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))).hexdigest()
    built = cache() / f"kubernetes-{digest[:12]}" / "kubernetes"
    return built if os.access(built, os.X_OK) else None


def cluster(folder: Path) -> "Cluster":
    """The one that the environment names, else a private one. Not started."""
    existing = os.environ.get(EXISTING)
    return ExistingCluster(folder, Path(existing)) if existing else ControlPlane(folder)


class Cluster(ABC):
    """What tests know of a cluster, whoever runs it. Methods block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.url = ""
        self.admin_token = ""
        self.ca_file = self.folder / "ca.crt"
        self.audit_log: Path | None = None  # a JSON line for each request when it was answered, two for a watch
        self._numbers = itertools.count(1)
        self._admin_config: Path | None = None

    @abstractmethod
    def start(self, crds: Iterable[Path] = ()) -> None:
        """`crds` are there before the controllers start: the garbage collector looks for new kinds only every 30 seconds."""

    @abstractmethod
    def stop(self) -> None: ...

    def call(self, method: str, path: str, body: Json | None = None, *, token: str | None = None) -> tuple[int, Json]:
        """One request, as the admin or with a token: `path` is with its query. The status and the JSON; text comes as `{"text": …}`.

        A PATCH is a JSON merge patch. Raises OSError where nobody answers.
        """
        place = urlsplit(self.url)
        headers = {"Authorization": f"Bearer {token or self.admin_token}", "Accept": "application/json"}
        headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
        trusted = ssl.create_default_context(cafile=self.ca_file)
        connection = HTTPSConnection(place.hostname or "", place.port or 443, timeout=_CALL_SECONDS, context=trusted)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        except HTTPException as error:
            raise OSError(f"{self.url} answered no HTTP: {error!r}") from error
        finally:
            connection.close()
        is_json = (answer.getheader("Content-Type") or "").startswith("application/json")
        return answer.status, json.loads(text) if is_json else {"text": text.decode(errors="replace")}

    def kubectl(self, *arguments: str, input: str | None = None, seconds: float = _KUBECTL_SECONDS) -> str:  # noqa: A002  # as subprocess names it
        """What it prints. As the admin. Raises `CommandFailed` with what it says on stderr."""
        done = subprocess.run(
            [*_kubectl(), f"--kubeconfig={self.admin_config}", *arguments],
            input=input,
            env=self._environment(),
            cwd=self.folder,
            timeout=seconds,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(done.stderr.strip())
        return done.stdout

    @property
    def admin_config(self) -> Path:
        """A kubeconfig of the admin's."""
        self._admin_config = self._admin_config or self.kubeconfig()
        return self._admin_config

    def kubeconfig(self, token: str | None = None, *, server: str | None = None, namespace: str = "default") -> Path:
        """A new file: the admin's without a token. `server` may be a proxy; to one without TLS kubectl itself sends no token."""
        address = server or self.url
        cluster: Json = {"server": address}
        if address.startswith("https:"):
            cluster["certificate-authority"] = str(self.ca_file)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "levain", "cluster": cluster}],
            "users": [{"name": "levain", "user": {"token": token or self.admin_token}}],
            "contexts": [{"name": "levain", "context": {"cluster": "levain", "user": "levain", "namespace": namespace}}],
            "current-context": "levain",
        }
        path = self.folder / f"kubeconfig-{next(self._numbers)}.yaml"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def service_account_token(self, namespace: str, name: str, *, seconds: int = 3600) -> str:
        """Valid so long, 600 seconds at least. Raises `CommandFailed` where the service account does not exist."""
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}}
        status, answer = self.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", request)
        if status != 201:
            raise CommandFailed(f"no token for {namespace}/{name}: {answer.get('message')}")
        token: str = answer["status"]["token"]
        return token

    def _establish(self, crds: Iterable[Path]) -> None:
        files = [f"--filename={path.resolve()}" for path in crds]
        if files:
            self.kubectl("apply", "--server-side", *files)
            self.kubectl("wait", "--for=condition=Established", "--timeout=50s", *files, seconds=60)

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self.folder), "LANG": "C.UTF-8"}


class ControlPlane(Cluster):
    """etcd, the API server and a few controllers as private processes on loopback. Its data is thrown away.

    `launcher` runs the command behind it, somewhere else perhaps: `host` is the address there.
    """

    api_server_options: Sequence[str] = (
        "--authorization-mode=RBAC",
        "--endpoint-reconciler-type=none",  # else it publishes its address for pods, and must not be on loopback
    )
    controllers_options: Sequence[str] = (f"--controllers={','.join(_CONTROLLERS)}",)
    tokens: Sequence[str] = ()  # lines of the API server's file, beside the admin's
    secure_port: int | None = None  # a free one

    def __init__(self, folder: Path, host: str = "127.0.0.1", launcher: Sequence[str] = ()) -> None:
        """Raises `CommandFailed` where `make kube` was not run."""
        super().__init__(folder)
        self.host, self._launcher = host, launcher
        built = binary()
        if built is None:
            raise CommandFailed("the parts of Kubernetes are not built: run `make kube`")
        self._binary = str(built)
        self.admin_token = token_hex(16)
        self.audit_log = self.folder / "audit.log"
        self.ca_file = self.folder / "certificates" / "apiserver.crt"  # the API server makes it, and its authority in the same file
        # A polite end takes the API server a minute.
        self.etcd = Program("etcd", self.folder / "etcd.log", stop_signal=signal.SIGKILL)
        self.api_server = Program("kube-apiserver", self.folder / "kube-apiserver.log", stop_signal=signal.SIGKILL)
        self.controllers = Program("kube-controller-manager", self.folder / "kube-controller-manager.log")

    def start(self, crds: Iterable[Path] = ()) -> None:
        try:
            etcd_port = self._start_etcd()
            self._start_api_server(etcd_port)
            self._establish(crds)
            self._start_controllers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for program in (self.controllers, self.api_server, self.etcd):
            program.stop(2)

    def _start_etcd(self) -> int:
        client, peer = free_port(), free_port()
        options = [
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls=http://{self.host}:{client}",
            f"--advertise-client-urls=http://{self.host}:{client}",
            f"--listen-peer-urls=http://{self.host}:{peer}",
            f"--initial-advertise-peer-urls=http://{self.host}:{peer}",
            f"--initial-cluster=default=http://{self.host}:{peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]
        self._run(self.etcd, options)
        self.etcd.wait_until(lambda: _listens(self.host, client), _START_SECONDS)
        return client

    def _start_api_server(self, etcd_port: int) -> None:
        tokens, policy, key = self.folder / "tokens.csv", self.folder / "audit-policy.yaml", self.folder / "service-accounts.key"
        for secret in (tokens, key):
            secret.touch(mode=0o600)
        lines = [f'{self.admin_token},admin,admin,"system:masters"', *self.tokens]
        tokens.write_text("\n".join(lines) + "\n", encoding="utf-8")
        key.write_bytes(_new_key())
        policy.write_text(yaml.safe_dump(_AUDIT_EVERYTHING), encoding="utf-8")
        port = self.secure_port or free_port()
        options = [
            f"--etcd-servers=http://{self.host}:{etcd_port}",
            f"--bind-address={self.host}",
            f"--advertise-address={self.host}",
            f"--secure-port={port}",
            f"--cert-dir={self.ca_file.parent}",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--token-auth-file={tokens}",
            f"--service-account-issuer=https://{self.host}:{port}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.audit_log}",
            "--audit-log-mode=blocking",  # who has the answer finds the request in the log
            "--allow-privileged=true",
            "--v=0",
            *self.api_server_options,
        ]
        self.url = f"https://{self.host}:{port}"
        self._run(self.api_server, options)
        self.api_server.wait_until(lambda: self._answers("/readyz") and self._answers("/api/v1/namespaces/default"), _START_SECONDS)

    def _start_controllers(self) -> None:
        options = [
            f"--kubeconfig={self.kubeconfig()}",
            "--use-service-account-credentials=false",
            "--leader-elect=false",
            "--secure-port=0",
            *self.controllers_options,
        ]
        self._run(self.controllers, options)
        made_by_one = "/api/v1/namespaces/default/serviceaccounts/default"
        self.controllers.wait_until(lambda: self._answers(made_by_one), _START_SECONDS)

    def _run(self, program: Program, options: Sequence[str]) -> None:
        """The part that has the program's name."""
        program.start([*self._launcher, self._binary, program.name, *options], self._environment())

    def _answers(self, path: str) -> bool:
        try:
            status, _ = self.call("GET", path)
        except OSError:
            return False
        return status == 200


class ExistingCluster(Cluster):
    """One that runs already: kind or k3s, say. Its kubeconfig must be an admin's. It has no audit log."""

    def __init__(self, folder: Path, config: Path) -> None:
        super().__init__(folder)
        self._admin_config = config.resolve()

    def start(self, crds: Iterable[Path] = ()) -> None:
        """Raises `CommandFailed` where the kubeconfig names no certificate authority of its own."""
        view = json.loads(self.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        (entry,) = view["clusters"]
        authority = entry["cluster"].get("certificate-authority-data")
        if authority is None:
            raise CommandFailed(f"{self._admin_config} names no certificate authority")
        self.url = entry["cluster"]["server"]
        self.ca_file.write_bytes(base64.b64decode(authority))
        # Such clusters know their admin by a client certificate, which passes no proxy: ours is one with a token.
        self.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(_ADMIN))
        self.admin_token = self.kubectl("create", "token", _TESTS, f"--namespace={_TESTS}", "--duration=6h").strip()
        self._establish(crds)

    def stop(self) -> None:
        self.kubectl("delete", f"clusterrolebinding/{_TESTS}", f"namespace/{_TESTS}", "--ignore-not-found")

    def _environment(self) -> dict[str, str]:
        """Its kubeconfig may run a helper that needs all of ours."""
        return dict(os.environ)


_AUDIT_EVERYTHING: Json = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],  # one line for each request, and it knows the answer
    "rules": [{"level": "Metadata"}],
}
_ADMIN: list[Json] = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _TESTS}},
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": _TESTS, "namespace": _TESTS}},
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": _TESTS},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": _TESTS, "namespace": _TESTS}],
    },
]


def _kubectl() -> list[str]:
    built = binary()
    if built is not None:
        return [str(built), "kubectl"]
    found = shutil.which("kubectl")
    if found is None:
        raise CommandFailed("kubectl is not here: install it, or run `make kube`")
    return [found]


def _new_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
