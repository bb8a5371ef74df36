"""What a serving process does around its servers: signals and file limits."""

import asyncio
import os
import resource
import signal

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def until_asked_to_stop() -> None:
    """Returns at the first SIGTERM or SIGINT; a second one ends the process at once. Call it before the servers start."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def first(number: int) -> None:
        asked.set()
        loop.add_signal_handler(number, os._exit, 128 + number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, first, number)
    await asked.wait()


def raise_file_limit() -> None:
    """A live socket needs one descriptor, at the gateway two; the soft limit is often 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
