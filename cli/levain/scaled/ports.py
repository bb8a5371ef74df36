"""Ports that stay ours over the restarts of what listens there."""

import random
import socket
import sys

# Below those that Linux takes for outgoing connections (32768 and up): one of these could take the port of a process that is away.
_PORTS = range(20_000, 32_000)
_HERE = "127.0.0.1"


def free_port() -> int:
    """Of loopback. Nobody else who asks here gets it while this process lives."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311
        if _is_free(_HERE, port) and _reserve(port):
            return port


def next_free_port(host: str, after: int) -> int:
    above = (port for port in range(after + 1, 65_536) if _is_free(host, port) and _reserve(port))
    return next(above, 0) or free_port()


def check_free(host: str, port: int) -> None:
    """Raises OSError where nobody could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host, port), family=family).close()


def _is_free(host: str, port: int) -> bool:
    try:
        check_free(host, port)
    except OSError:
        return False
    return True


def _reserve(port: int) -> bool:
    """A name that the kernel gives to one process at a time, and takes back when it ends. Linux alone has such."""
    if sys.platform != "linux":
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reservation:
        try:
            reservation.bind(f"\0levain-port-{port}")
        except OSError:
            return False
        reservation.detach()  # open for as long as we live
    return True
