"""The last act of the process, and signals before and after the loop runs. Imported first: nothing here is slow to import."""

import os
import signal
import sys
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = "\x1b[?25h"


def end_at_once(code: int) -> None:
    """Without waiting for threads (one may be stuck in a name look-up) and without the interpreter's last words."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream.isatty() and code > signal.NSIG:
                stream.write(_SHOW_CURSOR)
            stream.flush()
        except (AttributeError, OSError, ValueError):  # closed, in one of the ways in which a stream can be
            pass
    os._exit(code)


def end_quietly_on_signals() -> None:
    """There is nothing to clean up yet (or any more), and a KeyboardInterrupt would be a traceback."""
    for number in ending_signals():
        signal.signal(number, _end)


def ending_signals() -> list[signal.Signals]:
    # Under nohup SIGHUP is ignored and must stay so.
    return [s for s in _SIGNALS if s is not signal.SIGHUP or signal.getsignal(s) is not signal.SIG_IGN]


def _end(number: int, _: FrameType | None) -> None:
    end_at_once(128 + number)
