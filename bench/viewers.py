"""What an idle viewer costs in the service and in the gateway: 2,000 of them watch, through the gateway, a job that waits.

Both are processes of their own. What counts is the difference to the same processes after 100 viewers that came and went.
"""

import os
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench.processes import Running, gateway, service
from bench.report import Ratio
from bench.sockets import connect
from levain_asgi.process import raise_file_limit

VIEWERS, WARM_UP = 2000, 100
_WEIGHED = ("-m", "bench.weighed")
_SETTLE_SECONDS = 2.0
_LEAVE_SECONDS = 30.0


def run(_: int) -> list[Ratio]:
    """One round: it varies by one per cent, and the bounds are far."""
    raise_file_limit()
    in_service, in_gateway = _one()
    what = f"an idle viewer of {VIEWERS}"
    return [Ratio(f"{what}, service", "kB", [in_service], [], "<= 35"), Ratio(f"{what}, gateway", "kB", [in_gateway], [], "<= 8")]


def _one() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        below = running.enter_context(service(folder, folder / "service.log", *_WEIGHED))
        above = running.enter_context(gateway(below.port, folder / "gateway.log", *_WEIGHED))
        both = (below, above)
        _leave(_watch(above, WARM_UP), both)
        before = [one.held_bytes() for one in both]
        watching = _watch(above, VIEWERS)
        time.sleep(_SETTLE_SECONDS)
        after = [one.held_bytes() for one in both]
        assert all(_is_open(one) for one in watching), "a viewer was sent away"
        _leave(watching, both)
    in_service, in_gateway = ((a - b) / VIEWERS / 1000 for a, b in zip(after, before, strict=True))
    return in_service, in_gateway


def _watch(above: Running, viewers: int) -> list[socket.socket]:
    target = above.viewer('"snapshot"')
    return [connect(target) for _ in range(viewers)]


def _leave(viewers: list[socket.socket], both: tuple[Running, ...]) -> None:
    """Returns once both processes have closed their sockets too."""
    for one in viewers:
        one.close()
    deadline = time.monotonic() + _LEAVE_SECONDS
    while any(_open_files(one.process.pid) > WARM_UP // 2 for one in both):
        assert time.monotonic() < deadline, "the viewers left, their sockets did not"
        time.sleep(0.1)
    time.sleep(_SETTLE_SECONDS)


def _is_open(one: socket.socket) -> bool:
    try:
        return one.recv(65_536) != b""
    except BlockingIOError:
        return True


def _open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
