"""One event to 1,000 viewers: deliveries per CPU second of the service, against a plain FastAPI loop that awaits each send.

Both servers are processes of their own; a third process reads all sockets. Only the servers' CPU counts.
"""

import json
import subprocess
import sys

from bench.report import Ratio

VIEWERS, EVENTS = 1000, 200


def run(rounds: int) -> list[Ratio]:
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(_deliveries_per_cpu_second("plain"))
        ours.append(_deliveries_per_cpu_second("levain"))
    return [Ratio(f"one event to {VIEWERS} viewers, service / FastAPI loop", "deliveries/CPU s", ours, theirs, ">= 1.5")]


def _deliveries_per_cpu_second(kind: str) -> float:
    """The server prints its port, token and path; the readers say when all are connected; the server says what it took."""
    with _python("bench.fanout_server", kind, str(EVENTS)) as server, _python("bench.fanout_readers", str(VIEWERS)) as readers:
        assert server.stdin is not None
        assert server.stdout is not None
        assert readers.stdin is not None
        assert readers.stdout is not None
        readers.stdin.write(server.stdout.readline())
        readers.stdin.flush()
        assert readers.stdout.readline() == "connected\n"
        server.stdin.write("go\n")
        server.stdin.flush()
        took = json.loads(server.stdout.readline())
        readers.stdin.write(f"{EVENTS}\n")
        readers.stdin.flush()
        assert readers.stdout.readline() == f"{EVENTS * VIEWERS}\n", "a viewer missed an event"
        server.stdin.close()
        assert server.wait(timeout=30) == 0
        assert readers.wait(timeout=30) == 0
    return EVENTS * VIEWERS / float(took["cpu_seconds"])


def _python(module: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-m", module, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
