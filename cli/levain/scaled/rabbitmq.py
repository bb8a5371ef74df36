"""A private RabbitMQ node: its own ports, name, cookie and data, so that it disturbs no other node of this machine."""

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from levain.errors import BadInput, CommandFailed
from levain.scaled.ports import free_port
from levain.scaled.program import Program
from levain.scaled.rabbitmq_users import User, passwords, write_definitions

# Debian's wrapper in /usr/sbin changes to its own user and folders, which a private node must not.
_PLACES = ("/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
_START_SECONDS = 60.0
_PORT_MAPPER_SECONDS = 10.0
_HELLO = b"AMQP\x00\x00\x09\x01"

_CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
log.console = true
log.console.level = warning
log.file = false
vm_memory_high_watermark.absolute = {memory_bytes}
disk_free_limit.absolute = 50MB
"""
_METRICS = """\
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {port}
"""
_MEMORY_BYTES = 1024 * 1024 * 1024


def found() -> Path | None:
    """The folder of `rabbitmq-server` and `rabbitmqctl`, None where there is none."""
    for place in (*_PLACES, *os.environ.get("PATH", "").split(os.pathsep)):
        if (Path(place) / "rabbitmq-server").exists() and (Path(place) / "rabbitmqctl").exists():
            return Path(place)
    return None


class RabbitMQ:
    """Methods block. `start` again after a `kill` or `stop` keeps the port and what is durable.

    `users`: who may come in, each with a password of its own; without them it is RabbitMQ's `guest`, who may do everything.
    `metrics`: it serves `/metrics` and `/metrics/detailed` for Prometheus, at `metrics_port`.
    """

    def __init__(self, folder: Path, *, users: Sequence[User] = (), metrics: bool = False) -> None:
        """Raises `BadInput` where RabbitMQ is not installed."""
        place = found()
        if place is None or shutil.which("erl") is None:
            raise BadInput("RabbitMQ is not installed: on Debian, apt-get install rabbitmq-server")
        self.folder, self._place, self._users, self._metrics = folder.resolve(), place, users, metrics
        self.folder.mkdir(parents=True, exist_ok=True)
        self.program = Program("RabbitMQ", self.folder / "rabbitmq.log")
        self._port_mapper = Program("RabbitMQ's epmd", self.folder / "epmd.log")
        self.port = self.metrics_port = 0

    @property
    def url(self) -> str:
        """Of the first user, with the password."""
        return self.url_of(self._users[0].name) if self._users else f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def url_of(self, user: str) -> str:
        """For one of `users`, with the password."""
        return f"amqp://{user}:{passwords(self.folder, self._users)[user]}@127.0.0.1:{self.port}/"

    def start(self) -> None:
        self.launch()
        self.wait()

    def launch(self) -> None:
        if not self.port:
            self.port, self._distribution_port, self._epmd_port = free_port(), free_port(), free_port()
            self.metrics_port = free_port() if self._metrics else 0
        (self.folder / "plugins").write_text("[rabbitmq_prometheus].\n" if self._metrics else "[].\n")
        configuration = _CONFIGURATION.format(port=self.port, memory_bytes=_MEMORY_BYTES)
        if self._metrics:
            configuration += _METRICS.format(port=self.metrics_port)
        if self._users:
            configuration += f"load_definitions = {write_definitions(self.folder, self._users)}\n"
        (self.folder / "rabbitmq.conf").write_text(configuration)
        self._launch_port_mapper()
        self.program.start([str(self._place / "rabbitmq-server")], self._environment())

    def wait(self) -> None:
        self.program.wait_until(self._answers, _START_SECONDS)

    def stop(self) -> None:
        self.program.stop()
        self._port_mapper.stop()

    def kill(self) -> None:
        """As a power cut: at once, and nothing is told to the clients but what the kernel says."""
        self.program.kill()
        self._port_mapper.kill()

    def control(self, *arguments: str) -> str:
        """What `rabbitmqctl` says. Raises `CommandFailed`."""
        command = [str(self._place / "rabbitmqctl"), "--silent", *arguments]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise CommandFailed(f"rabbitmqctl {arguments[0]}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def alarm(self, on: bool) -> None:
        """The memory alarm, as when the node is full: publishers are blocked."""
        self.control("set_vm_memory_high_watermark", "absolute", "1" if on else str(_MEMORY_BYTES))

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(_HELLO)
                return bool(probe.recv(8))
        except OSError:
            return False

    def _launch_port_mapper(self) -> None:
        """Left to itself the node would start one as a daemon, which outlives it."""
        if self._port_mapper.running:
            return
        mapper = ["epmd", "-address", "127.0.0.1", "-port", str(self._epmd_port)]
        self._port_mapper.start(mapper, self._environment())
        self._port_mapper.wait_until(lambda: _accepts(self._epmd_port), _PORT_MAPPER_SECONDS)

    def _environment(self) -> dict[str, str]:
        folder = str(self.folder)
        values: dict[str, Any] = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": folder,  # of the Erlang cookie
            "LANG": "C.UTF-8",
            # The server's script then becomes the server: one process, which gets our signals.
            "RUNNING_UNDER_SYSTEMD": "1",
            # The name of its data: it has a port mapper of its own, so that names need not differ from node to node.
            "RABBITMQ_NODENAME": "levain@localhost",
            "RABBITMQ_NODE_PORT": self.port,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": self._distribution_port,
            "ERL_EPMD_PORT": self._epmd_port,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/generated",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            # Schedulers that spin while they wait would take a core from the work that is waited for.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
        }
        return {name: str(value) for name, value in values.items()}


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
