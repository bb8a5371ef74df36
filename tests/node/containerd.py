"""containerd of the node's own: everything that it keeps is below one folder, but for the sockets of its shims."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.node.parts import done

from levain.errors import CommandFailed
from levain.scaled.program import Program

PAUSE = "levain.dev/pause:1"

_START_SECONDS = 30.0
_POD_CIDR = "10.244.0.0/24"
_CONFIG = """
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without it no sandbox starts where we may not lower oom_score_adj.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
"""


class Containerd:
    def __init__(self, folder: Path, launcher: Sequence[str]) -> None:
        self._folder, self._launcher = folder, launcher
        self.socket = folder / "containerd.sock"
        self.program = Program("containerd", folder / "containerd.log")

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "cni").mkdir(exist_ok=True)
        (self._folder / "cni" / "10-levain.conflist").write_text(json.dumps(self._network()), encoding="utf-8")
        config = self._folder / "config.toml"
        config.write_text(_CONFIG.format(folder=self._folder, socket=self.socket, pause=PAUSE), encoding="utf-8")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self._folder)}
        self.program.start([*self._launcher, "containerd", "--config", str(config), "--log-level=warn"], environment)
        self.program.wait_until(self._answers, _START_SECONDS)

    def load(self, images: Iterable[Path]) -> None:
        """Archives, as `docker save` makes them."""
        for archive in images:
            self._ctr("images", "import", str(archive), seconds=120)

    def stop(self) -> None:
        """With everything that it still runs. The kubelet must have ended: it would start them anew."""
        with suppress(CommandFailed):
            if not self.program.running:
                self.start()
            self._end_containers()
        self.program.stop()

    def _end_containers(self) -> None:
        for task in self._ctr("tasks", "list", "--quiet").split():
            with suppress(CommandFailed):
                self._ctr("tasks", "delete", "--force", task)
        for container in self._ctr("containers", "list", "--quiet").split():
            with suppress(CommandFailed):
                namespaces = json.loads(self._ctr("containers", "info", container))["Spec"]["linux"]["namespaces"]
                self._ctr("containers", "delete", container)
                for network in {Path(n["path"]).name for n in namespaces if n["type"] == "network" and "/netns/" in n.get("path", "")}:
                    done("ip", "netns", "delete", network)

    def _answers(self) -> bool:
        try:
            self._ctr("version", seconds=5)
        except CommandFailed:
            return False
        return True

    def _ctr(self, *command: str, seconds: float = 30) -> str:
        return done("ctr", "--address", self.socket, "--namespace", "k8s.io", *command, seconds=seconds)

    def _network(self) -> dict[str, object]:
        addresses = {"type": "host-local", "ranges": [[{"subnet": _POD_CIDR}]], "routes": [{"dst": "0.0.0.0/0"}]}
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True}
        ipam = addresses | {"dataDir": str(self._folder / "addresses")}
        plugins = [bridge | {"ipam": ipam}, {"type": "portmap", "capabilities": {"portMappings": True}}]
        return {"cniVersion": "1.0.0", "name": "levain", "plugins": plugins}
