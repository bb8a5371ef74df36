"""Events to 1,000 viewers: deliveries per CPU second of the service, against a plain FastAPI loop that awaits each send.

One event at a time, and bursts as a chunk of results gives them. Both servers are processes of their own; a third process reads all
sockets. Only the servers' CPU counts.
"""

import json
import subprocess
import sys

from bench.report import Ratio

VIEWERS, EVENTS = 1000, 80
BURSTS = (1, 8)

_Figures = dict[int, float]  # by the size of the bursts


def run(rounds: int) -> list[Ratio]:
    ours, theirs = list[_Figures](), list[_Figures]()
    for _ in range(rounds):
        theirs.append(_deliveries_per_cpu_second("plain"))
        ours.append(_deliveries_per_cpu_second("levain"))
    what = f"events to {VIEWERS} viewers"
    return [
        Ratio(f"{what}, {n} at a time, service / FastAPI loop", "deliveries/CPU s", [f[n] for f in ours], [f[n] for f in theirs], ">= 1.5")
        for n in BURSTS
    ]


def _deliveries_per_cpu_second(kind: str) -> _Figures:
    """The server prints its port, token and path; the readers say when all are connected; the server says what each size of bursts took."""
    with _python("bench.fanout_server", kind, str(EVENTS)) as server, _python("bench.fanout_readers", str(VIEWERS)) as readers:
        assert server.stdin is not None
        assert server.stdout is not None
        assert readers.stdin is not None
        assert readers.stdout is not None
        readers.stdin.write(server.stdout.readline())
        readers.stdin.flush()
        assert readers.stdout.readline() == "connected\n"
        figures = {}
        for burst in BURSTS:
            server.stdin.write(f"{burst}\n")
            server.stdin.flush()
            figures[burst] = EVENTS * VIEWERS / float(json.loads(server.stdout.readline())["cpu_seconds"])
        sent = EVENTS * len(BURSTS)
        readers.stdin.write(f"{sent}\n")
        readers.stdin.flush()
        assert readers.stdout.readline() == f"{sent * VIEWERS}\n", "a viewer missed an event"
        server.stdin.close()
        assert server.wait(timeout=30) == 0
        assert readers.wait(timeout=30) == 0
    return figures


def _python(module: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-m", module, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
