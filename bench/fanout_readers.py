"""Reads many sockets and counts the frames that hold an event. Its own speed does not matter: only the server's CPU counts."""

import json
import selectors
import socket
import sys
import time

from bench.sockets import Target, connect

EVENT = b'"product_completed"'


def main() -> None:
    viewers = int(sys.argv[1])
    target = Target(**json.loads(sys.stdin.readline()))
    chosen = selectors.DefaultSelector()
    sockets = [connect(target) for _ in range(viewers)]
    for one in sockets:
        chosen.register(one, selectors.EVENT_READ)
    print("connected", flush=True)
    chosen.register(sys.stdin, selectors.EVENT_READ)
    print(_count(chosen, viewers), flush=True)
    for one in sockets:
        one.close()


def _count(chosen: selectors.BaseSelector, viewers: int) -> int:
    """Until as many came as the input says, once it says it."""
    seen, wanted, deadline = 0, None, time.monotonic() + 120
    while (wanted is None or seen < wanted) and time.monotonic() < deadline:
        for key, _ in chosen.select(1.0):
            if isinstance(key.fileobj, socket.socket):
                seen += _events(key.fileobj)
            else:
                wanted = int(sys.stdin.readline()) * viewers
                chosen.unregister(sys.stdin)
    return seen


_rest: dict[int, bytes] = {}


def _events(one: socket.socket) -> int:
    """Events in what can be read now; a mark that is cut between two reads is found by the second."""
    data = _rest.pop(one.fileno(), b"") + one.recv(1024 * 1024)
    count = data.count(EVENT)
    _rest[one.fileno()] = data[data.rfind(EVENT) + len(EVENT) :][-len(EVENT) + 1 :] if count else data[-len(EVENT) + 1 :]
    return count


main()
