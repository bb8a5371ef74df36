"""A whole Kubernetes node as private processes: control plane, kubelet, containers, Services, DNS and NetworkPolicy.

All of it is in a network namespace of its own and below one folder, and goes when `stop` returns.
"""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

import yaml
from tests.cluster.control_plane import ControlPlane
from tests.node import kubelet
from tests.node.containerd import Containerd
from tests.node.network import NodeNetwork
from tests.node.parts import done, program

from levain.errors import CommandFailed
from levain.scaled.program import Program

NAME = "levain"  # of the node

_READY_SECONDS = 90.0
_CLUSTER_CIDR = "10.244.0.0/16"
_VOLUMES = 16
_COREFILE = """.:53 {{
    bind {address}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
    }}
}}
"""


class Node(ControlPlane):
    """`folder` is its own alone; what an earlier one left there is taken away first. `subnet`: see `NodeNetwork`."""

    secure_port = 6443

    def __init__(self, folder: Path, name: str, subnet: int) -> None:
        """Raises `CommandFailed` where a part was not built."""
        self.network = NodeNetwork(name, subnet)
        super().__init__(folder, self.network.node, self.network.launcher)
        self._name = name
        self._kubelet_token = token_hex(16)
        self.tokens = (f'{self._kubelet_token},system:node:{NAME},{NAME},"system:nodes"',)
        self._certificate, self._key = self.folder / "kubelet-client.crt", self.folder / "kubelet-client.key"
        self.api_server_options = (
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={self._certificate}",
            f"--kubelet-client-key={self._key}",
        )
        self.controllers_options = (
            "--controllers=*",
            "--allocate-node-cidrs=true",
            f"--cluster-cidr={_CLUSTER_CIDR}",
            f"--root-ca-file={self.ca_file}",  # pods trust it
        )
        self.containerd = Containerd(self.folder / "containerd", self.network.launcher)
        self.scheduler, self.proxy, self.dns, self.policies = (
            self._program(part) for part in ("kube-scheduler", "kube-proxy", "coredns", "kube-router")
        )
        self.kubelet = self._program("kubelet")
        self._kernel: dict[str, str] = {}

    def start(self, crds: Iterable[Path] = (), images: Iterable[Path] = ()) -> None:
        """Ready, with its images, when it returns."""
        self.clean()
        self.folder.mkdir()
        try:
            self._kernel = kubelet.kernel_settings()
            kubelet.make_cgroups(self._name)
            self.network.up()
            self.containerd.start()
            kubelet.new_certificate(self._certificate, self._key)
            super().start(crds)
            self._start_node()
            self.containerd.load(images)
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for part in (self.kubelet, self.scheduler, self.proxy, self.dns, self.policies):
            part.stop(5)
        super().stop()
        self.containerd.stop()
        kubelet.set_kernel(self._kernel)
        self._take_away()

    def clean(self) -> None:
        """Takes away what one left that was killed; of one that runs it is the end."""
        if self.containerd.socket.exists():
            Containerd(self.containerd.socket.parent, ()).stop()  # its network may be gone
        self._take_away()

    def _take_away(self) -> None:
        self.network.down()
        kubelet.remove_cgroups(self._name)
        self._unmount()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_node(self) -> None:
        config = str(self.kubeconfig())
        self._run(self.scheduler, [f"--kubeconfig={config}", "--leader-elect=false", "--secure-port=0"])
        options = [f"--kubeconfig={config}", f"--cluster-cidr={_CLUSTER_CIDR}", "--proxy-mode=iptables", f"--hostname-override={NAME}"]
        self._run(self.proxy, [*options, "--healthz-bind-address=", "--metrics-bind-address=127.0.0.1:10249", "--conntrack-max-per-core=0"])
        self._start_kubelet()
        corefile = self.folder / "Corefile"
        corefile.write_text(_COREFILE.format(address=self.host, kubeconfig=config), encoding="utf-8")
        self._launch(self.dns, ["-conf", str(corefile)])
        self.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(self._volumes()))

    def _start_kubelet(self) -> None:
        config = kubelet.configuration(
            self.folder, address=self.host, socket=self.containerd.socket, name=self._name, certificate=self._certificate
        )
        file = self.folder / "kubelet.yaml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        (self.folder / "resolv.conf").write_text(f"nameserver {self.host}\n", encoding="utf-8")
        options = [
            f"--config={file}",
            f"--kubeconfig={self.kubeconfig(self._kubelet_token)}",
            f"--hostname-override={NAME}",
            f"--node-ip={self.host}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'kubelet-pki'}",
        ]
        self._run(self.kubelet, options)

    def _wait_until_ready(self) -> None:
        self.kubelet.wait_until(self._is_ready, _READY_SECONDS)
        # It asks for the node at its start.
        options = ["--run-firewall=true", "--run-router=false", "--run-service-proxy=false", "--run-loadbalancer=false"]
        self._launch(self.policies, [*options, f"--kubeconfig={self.kubeconfig()}", f"--hostname-override={NAME}"])

    def _is_ready(self) -> bool:
        _, node = self.call("GET", f"/api/v1/nodes/{NAME}")
        return any(c["type"] == "Ready" and c["status"] == "True" for c in node.get("status", {}).get("conditions", ()))

    def _volumes(self) -> list[dict[str, object]]:
        """Empty ones, which claims without a class get. A claim that goes leaves its volume to nobody: there are enough."""
        volumes: list[dict[str, object]] = []
        for number in range(_VOLUMES):
            path = self.folder / "volumes" / str(number)
            path.mkdir(parents=True, exist_ok=True)
            here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NAME]}]}
            spec = {
                "capacity": {"storage": "16Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "local": {"path": str(path)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}},
            }
            volumes.append({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"volume-{number}"}, "spec": spec})
        return volumes

    def _program(self, name: str) -> Program:
        return Program(name, self.folder / f"{name}.log")

    def _launch(self, part: Program, options: list[str]) -> None:
        """One that is not of Kubernetes itself."""
        part.start([*self.network.launcher, program(part.name), *options], self._environment())

    def _unmount(self) -> None:
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in sorted((m for m in mounted if m.startswith(f"{self.folder}/")), reverse=True):
            with suppress(CommandFailed):
                done("umount", "--lazy", place)
