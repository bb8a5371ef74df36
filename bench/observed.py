"""What metrics and logs cost on the live path: frames per CPU second of service and gateway, with and without them.

With few viewers what is counted for each event weighs most: 100 of them, and one event at a time, are the worst case.
"""

import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.gateway import HELLO, WARM_UP, forward, watching
from bench.processes import Running, gateway
from bench.report import Ratio
from bench.upstream import Upstream
from levain_training.wire import text_frame

VIEWERS, BLOCKS = 100, 16
EVENTS = {1: 12, 8: 64}  # in a block of one side, by the size of the bursts
_LAUNCHERS: dict[str, tuple[str, ...]] = {"with": (), "without": ("-m", "bench.unobserved")}

_WARM_UP_EVENTS = 40
_LEAST_ROUNDS = 7  # on a busy machine two runs of the same differ by 10 %, which is more than what is measured
_Sides = dict[str, list[float]]  # CPU seconds of the blocks `with` and `without`


def run(rounds: int) -> list[Ratio]:
    rounds = max(rounds, _LEAST_ROUNDS)
    figures = {"service": [_of_service() for _ in range(rounds)], "gateway": [_of_gateway() for _ in range(rounds)]}
    return [
        Ratio(
            f"frames to {VIEWERS} viewers, {burst} at a time, {part} / without metrics and logs",
            "frames/CPU s",
            [VIEWERS * events / median(of[burst]["with"]) for of in figures[part]],
            [VIEWERS * events / median(of[burst]["without"]) for of in figures[part]],
            ">= 0.95",
        )
        for part in figures
        for burst, events in EVENTS.items()
    ]


def _of_service() -> dict[int, _Sides]:
    with _python("bench.observed_server") as server, ExitStack() as running:
        targets = json.loads(_answer(server))
        readers = [running.enter_context(_python("bench.fanout_readers", str(VIEWERS))) for _ in targets]
        for reader, target in zip(readers, targets, strict=True):
            _say(reader, json.dumps(target))
            assert _answer(reader) == "connected\n"
        figures = {}
        _say(server, f"8 {_WARM_UP_EVENTS} 1")
        _answer(server)
        for burst, events in EVENTS.items():
            _say(server, f"{burst} {events} {BLOCKS}")
            figures[burst] = json.loads(_answer(server))
        sent = _WARM_UP_EVENTS + BLOCKS * sum(EVENTS.values())
        for reader in readers:
            _say(reader, str(sent))
            assert _answer(reader) == f"{sent * VIEWERS}\n", "a viewer missed an event"
            assert reader.wait(timeout=30) == 0
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(timeout=30) == 0
    return figures


def _of_gateway() -> dict[int, _Sides]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        sides = {}
        for side, launcher in _LAUNCHERS.items():
            upstream = running.enter_context(Upstream(text_frame(HELLO.encode())))
            proxy = running.enter_context(gateway(upstream.port, Path(name) / f"{side}.log", *launcher))
            sides[side] = upstream, proxy, watching(proxy)
            forward(upstream, sides[side][2], WARM_UP, 1)
        figures: dict[int, _Sides] = {burst: {side: [] for side in sides} for burst in EVENTS}
        for burst, events in EVENTS.items():
            for i in range(BLOCKS):
                for side in sorted(sides, reverse=bool(i % 2)):
                    upstream, proxy, viewers = sides[side]
                    before = _cpu_seconds(proxy)
                    forward(upstream, viewers, events, burst)
                    figures[burst][side].append(_cpu_seconds(proxy) - before)
        for upstream, _, viewers in sides.values():
            for viewer in viewers:
                viewer.close()
            upstream.hang_up()
    return figures


def _cpu_seconds(proxy: Running) -> float:
    """By the clock of the process, whose number Linux makes of its pid (clock_getcpuclockid(3)): a block has too few ticks for `stat`."""
    return time.clock_gettime((~proxy.process.pid) << 3 | 2)


def _python(module: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-m", module, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _say(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _answer(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()
