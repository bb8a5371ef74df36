"""Signals and the event loop: the first Ctrl-C or SIGTERM ends the command in order, the second at once."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from levain.endings import end_at_once, end_quietly_on_signals, ending_signals

# Ten seconds are promised; past this, something hangs and nothing is gained by waiting for it.
STOP_SECONDS = 9.0

Main = Callable[[], Coroutine[Any, Any, int]]


def run(
    main: Main, *, new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop, stop_seconds: float | None = None
) -> int:
    """The exit code: that of `main`, or 128 + the signal's number when a signal ended it.

    On the first signal `main` is cancelled and has `stop_seconds`, by default `STOP_SECONDS`, to clean up; it may catch that and return
    a code of its own.
    """
    loop = new_loop()
    try:
        return loop.run_until_complete(_supervise(main, stop_seconds or STOP_SECONDS))
    finally:
        loop.close()


async def _supervise(main: Main, stop_seconds: float) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(main())
    received: list[int] = []

    def on_signal(number: int) -> None:
        if received:
            end_at_once(128 + received[0])
        received.append(number)
        deadline = threading.Timer(stop_seconds, end_at_once, [128 + number])
        deadline.daemon = True
        deadline.start()
        task.cancel()

    for number in ending_signals():
        loop.add_signal_handler(number, on_signal, number)
    try:
        await asyncio.wait({task})
        return 128 + received[0] if task.cancelled() and received else task.result()
    finally:
        await _end_stragglers()
        await loop.shutdown_asyncgens()
        for number in ending_signals():
            loop.remove_signal_handler(number)
        end_quietly_on_signals()


async def _end_stragglers() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=1.0)
