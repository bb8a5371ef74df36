"""Frames from an upstream to 100 viewers: messages forwarded per CPU second of the gateway, against the usual proxy of two pumps.

One event at a time is the worst case, half of it the kernel's; results travel in chunks, so bursts are usual. Upstream and viewers are bare
sockets in this process, and each burst waits until all viewers have the one before: how fast this process is does not matter. Only the CPU
time of the process in between counts.
"""

import os
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.processes import Running, gateway
from bench.report import Ratio
from bench.sockets import connect
from bench.upstream import Upstream
from levain_contracts import frames
from levain_contracts.events import Event, ProductData
from levain_contracts.ids import product_id
from levain_training.wire import text_frame

VIEWERS, WARM_UP, MESSAGES = 100, 20, 600
BURSTS = (1, 8)
HELLO = "hello"
_EVENT_TIMEOUT = struct.pack("ll", 30, 0)  # seconds and microseconds
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

_Figures = dict[int, float]  # by the size of the bursts


def run(rounds: int) -> list[Ratio]:
    ours, theirs = list[_Figures](), list[_Figures]()
    greeting = text_frame(HELLO.encode())
    with tempfile.TemporaryDirectory() as name:
        for _ in range(rounds):
            with Upstream(greeting) as upstream, _pumps(upstream.port) as proxy:
                theirs.append(_messages_per_cpu_second(upstream, proxy))
            with Upstream(greeting) as upstream, gateway(upstream.port, Path(name) / "gateway.log") as proxy:
                ours.append(_messages_per_cpu_second(upstream, proxy))
    return [
        Ratio(
            f"frames, {burst} at a time, gateway / two pumps",
            "messages/CPU s",
            [f[burst] for f in ours],
            [f[burst] for f in theirs],
            ">= 2",
        )
        for burst in BURSTS
    ]


def _messages_per_cpu_second(upstream: Upstream, proxy: Running) -> _Figures:
    viewers = watching(proxy)
    forward(upstream, viewers, WARM_UP, 1)
    figures = {}
    for burst in BURSTS:
        before = _cpu_seconds(proxy.process.pid)
        forward(upstream, viewers, MESSAGES, burst)
        figures[burst] = MESSAGES * VIEWERS / (_cpu_seconds(proxy.process.pid) - before)
    for viewer in viewers:
        viewer.close()
    upstream.hang_up()
    return figures


def watching(proxy: Running) -> list[socket.socket]:
    target = proxy.viewer(HELLO)
    viewers = [connect(target) for _ in range(VIEWERS)]
    for viewer in viewers:
        viewer.setblocking(True)
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _EVENT_TIMEOUT)
    return viewers


def forward(upstream: Upstream, viewers: list[socket.socket], messages: int, burst: int) -> None:
    """The last viewer first: who waits for each in turn is woken by each, and takes the CPU from the process that is measured."""
    data = _product_frame() * burst
    for _ in range(messages // burst):
        upstream.send_all(data)
        for viewer in reversed(viewers):
            received = viewer.recv(len(data), socket.MSG_WAITALL)
            assert received == data, received


def _product_frame() -> bytes:
    """As the training service sends it: about 370 bytes."""
    product, shop = "Baguette 17", "Filiale Nord"
    data = ProductData(
        product_id=product_id(shop, product),
        product=product,
        shop=shop,
        status="trained",
        products_completed=17,
        products_failed=0,
        total_products=1000,
    )
    event = Event("bench", "0f8fad5b-d9cb-469f-a165-70867728950e", 18, datetime.now(UTC), 21, data)
    return text_frame(frames.encode(frames.frame(event)))


def _cpu_seconds(pid: int) -> float:
    """User and system time of all threads; the fields are counted behind the command's name, which may hold anything."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


@contextmanager
def _pumps(upstream_port: int) -> Iterator[Running]:
    command = [sys.executable, "-m", "bench.pumps", str(upstream_port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Running(process, int(process.stdout.readline()))
        process.stdin.close()
        assert process.wait(timeout=30) == 0
