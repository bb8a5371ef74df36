"""`python -m tests.node up|down`: a node to play with, and its end. `images`: builds them and prints their sizes. `clean NAME`: takes away
what is left of a node that was killed.

The node belongs to a process that is left behind, `keep`, and ends with it.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cache import cache
from tests.chart import kit as chart
from tests.cluster.control_plane import binary
from tests.node import images
from tests.node.node import Node
from tests.node.parts import missing

from levain.errors import CommandFailed

_STOP_SECONDS = 60.0
_SUBNETS = {"play": 200, "e2e": 201}
_NEXT = """
The node is ready and has the images of this checkout. Next:

  export KUBECONFIG={kubeconfig}
  {helm} install levain charts/levain --wait
  {kubectl} apply -f examples/trainingjob.yaml && {kubectl} get trainingjobs --watch

`make cluster-down` takes it all away.
"""


def node_of(name: str) -> Node:
    return Node(cache() / f"node-{name}", f"lv-{name}", _SUBNETS[name])


@contextmanager
def claimed(name: str, *, wait: bool) -> Iterator[None]:
    """The node is this process's alone, until its end if need be. Raises `BlockingIOError` where it is another's, and `wait` is false."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"node-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def clean(name: str) -> None:
    """Nothing where another runs it."""
    with suppress(BlockingIOError), claimed(name, wait=False):
        node_of(name).clean()


def up() -> None:
    if why := missing():
        raise CommandFailed(why)
    if _keeper() is not None:
        raise CommandFailed("the node runs already; `make cluster-down` ends it")
    images.archives(cache() / "archives")
    print("starting the node", flush=True)
    log = cache() / "node-play.log"
    with log.open("wb") as errors:
        command = [sys.executable, "-m", "tests.node", "keep"]
        keeper = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
    assert keeper.stdout is not None
    kubeconfig = keeper.stdout.readline().decode().strip()
    if not kubeconfig:
        raise CommandFailed(f"the node did not start; the end of {log}:\n{log.read_text(errors='replace')[-2000:]}")
    kubectl = "kubectl" if shutil.which("kubectl") else f"{binary()} kubectl"
    print(_NEXT.format(kubeconfig=kubeconfig, helm=chart.helm(), kubectl=kubectl))


def keep() -> None:
    """Says the kubeconfig's path when the node is ready; goes on until SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    node = node_of("play")
    _pid_file().write_text(str(os.getpid()), encoding="utf-8")
    try:
        node.start(images=sorted((cache() / "archives").glob("*.tar")))
        print(node.admin_config, flush=True)
        while True:
            signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        node.stop()
        _pid_file().unlink(missing_ok=True)


def down() -> None:
    keeper = _keeper()
    if keeper is not None:
        os.kill(keeper, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while _keeper() is not None and time.monotonic() < deadline:
            time.sleep(0.2)
    node_of("play").clean()
    print("the node is gone")


def show_sizes() -> None:
    for image in images.build():
        whole, ours = (size / 1e6 for size in images.sizes_bytes(image))
        print(f"{image}: {whole:.0f} MB unpacked, {ours:.0f} MB of it on top of its base")


def _keeper() -> int | None:
    """Its pid, where it lives."""
    try:
        pid = int(_pid_file().read_text(encoding="utf-8"))
        command = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    return pid if "tests.node" in command else None


def _pid_file() -> Path:
    return cache() / "node-play.pid"


COMMANDS: dict[str, Callable[..., None]] = {
    "up": up,
    "keep": keep,
    "down": down,
    "images": show_sizes,
    "clean": clean,
}


def main(arguments: list[str]) -> int:
    try:
        COMMANDS[arguments[0]](*arguments[1:])
    except CommandFailed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
