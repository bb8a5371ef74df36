"""A child process: one request at a time from the parent's pipe, messages back. `children` is the other end.

Started as `python -P -m levain_training.child PARENT_PID MEMORY_LIMIT_BYTES NICENESS`; the frames are those of docs/decisions/0004.
"""

import ctypes
import faulthandler
import gc
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

from levain_logs import configure

MAX_FRAME_BYTES = 8 * 1024 * 1024
MESSAGE, END = b"m", b"e"
OUT_OF_MEMORY_EXIT = 79
_PR_SET_PDEATHSIG = 1

Emit = Callable[[bytes], None]
Handler = Callable[[bytes, Emit], None]

# What a child can be asked for; each is imported when it is asked for the first time.
CALLS = {
    "train": "levain_training.forecasting.calls:train",
    "warm": "levain_training.forecasting.calls:warm",
    "analyse": "levain_training.analysis_child:analyse",
}


def main(arguments: list[str]) -> None:
    parent_pid, memory_limit_bytes, niceness = map(int, arguments)
    _tie_to_parent(parent_pid)
    _limit(memory_limit_bytes)
    if niceness:
        be_nice(niceness)
    requests, replies = _take_pipes()
    configure("warning")
    try:
        _serve(requests, replies)
    except MemoryError:
        # The heap is full: nothing that allocates is safe now.
        os._exit(OUT_OF_MEMORY_EXIT)


def _tie_to_parent(parent_pid: int) -> None:
    """The kernel kills this process when its parent ends, however that ends. Signals to the group are the parent's business."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        sys.exit("the parent ended before its child started")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _limit(memory_limit_bytes: int) -> None:
    """0 is no limit. The data limit counts what is written to, unlike the address space, which libraries reserve by the GiB."""
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_limit_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_limit_bytes, memory_limit_bytes))


def be_nice(by: int) -> None:
    """Linux may share the CPU between sessions first (sched_autogroup): niceness counts only within one, so it is set for both."""
    niceness = os.nice(by)
    with suppress(OSError), open("/proc/self/autogroup", "w") as autogroup:
        autogroup.write(str(niceness))


def _take_pipes() -> tuple[int, int]:
    """Moves the pipes away from the standard streams, so that a library's print or read can't touch them."""
    requests, replies = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, replies


def _serve(requests: int, replies: int) -> None:
    """Until the parent closes its end."""

    def emit(message: bytes) -> None:
        _write(replies, MESSAGE + message)

    while (name := _read(requests)) is not None:
        payload = _read(requests)
        if payload is None:
            return
        _handler(name.decode())(payload, emit)
        _write(replies, END)


def _handler(name: str) -> Handler:
    module, _, function = CALLS[name].partition(":")
    if module not in sys.modules:
        import_module(module)
        gc.freeze()  # as in the parent: what was imported stays, and is most of what a collection looks through
    handler: Handler = getattr(sys.modules[module], function)
    return handler


def _read(fd: int) -> bytes | None:
    """The next frame; None when the pipe is closed."""
    head = _read_exactly(fd, 4)
    return None if head is None else _read_exactly(fd, struct.unpack(">I", head)[0])


def _read_exactly(fd: int, size: int) -> bytes | None:
    parts = []
    while size:
        part = os.read(fd, min(size, 1024 * 1024))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write(fd: int, body: bytes) -> None:
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a message of {len(body)} bytes is larger than a frame, {MAX_FRAME_BYTES} bytes")
    view = memoryview(struct.pack(">I", len(body)) + body)
    while view:
        view = view[os.write(fd, view) :]


if __name__ == "__main__":
    main(sys.argv[1:])
