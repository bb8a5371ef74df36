"""A network of the node's own: a namespace that the machine reaches by one link, and that reaches nothing beyond it.

Every rule and route of Kubernetes is made in it, so none is left on the machine, and no packet of a pod leaves it.
"""

from contextlib import suppress

from tests.node.parts import done

from levain.errors import CommandFailed


class NodeNetwork:
    """`name`: of the namespace, and short, since a link's name holds 15 characters. `subnet`: two addresses of 10.200.SUBNET.0/30."""

    def __init__(self, name: str, subnet: int) -> None:
        self.name = name
        self.machine, self.node = f"10.200.{subnet}.1", f"10.200.{subnet}.2"
        self._outer, self._inner = f"{name}-m", f"{name}-n"

    @property
    def launcher(self) -> list[str]:
        """Not `ip netns exec`: it mounts /sys anew, and the kubelet finds no cgroups."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--"]

    def up(self) -> None:
        done("ip", "netns", "add", self.name)
        done("ip", "link", "add", self._outer, "type", "veth", "peer", "name", self._inner, "netns", self.name)
        done("ip", "address", "add", f"{self.machine}/30", "dev", self._outer)
        done("ip", "link", "set", self._outer, "up")
        self._inside("address", "add", f"{self.node}/30", "dev", self._inner)
        for link in ("lo", self._inner):
            self._inside("link", "set", link, "up")
        # The programs look for the interface of the default route; what takes this one finds nobody.
        self._inside("route", "add", "default", "dev", self._inner, "src", self.node)
        done(*self.launcher, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")

    def down(self) -> None:
        """What was not up is no error."""
        for command in (("link", "delete", self._outer), ("netns", "delete", self.name)):
            with suppress(CommandFailed):
                done("ip", *command)

    def _inside(self, *command: str) -> None:
        done("ip", "-netns", self.name, *command)
