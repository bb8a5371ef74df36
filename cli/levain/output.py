"""Standard output and error as the command writes them: no crash on any encoding, no cursor moves but on a terminal."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, cast

from levain.errors import CommandFailed, OutputClosed

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

DEFAULT_WIDTH = 80


class Output:
    """Lines and drawings on one stream. Each write raises `OutputClosed` when the reader has left, `CommandFailed` when it fails."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self._stream = _Guarded(stream)
        self._console: Console | None = None
        self._environment = environment
        self.terminal = stream.isatty() and environment.get("TERM", "").lower() not in ("dumb", "unknown")
        self.utf8 = (stream.encoding or "").lower().replace("-", "") in ("utf8", "utf8sig")

    @property
    def console(self) -> "Console":
        if self._console is None:
            self._console = _console(self._stream, self.terminal, self._environment)
        return self._console

    @property
    def width(self) -> int:
        return self.console.width if self.terminal else DEFAULT_WIDTH

    def line(self, text: str) -> None:
        """Plain text, flushed at once: a reader of the pipe sees it now."""
        self._stream.write(f"{printable(text)}\n")
        self._stream.flush()

    def draw(self, drawing: "RenderableType") -> None:
        self.console.print(drawing)


class _Guarded:
    """A text stream whose errors are ours: an OSError of standard output must not pass for one of the network."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding
        self.isatty, self.fileno = stream.isatty, stream.fileno

    def write(self, text: str) -> int:
        with _our_errors():
            return self._stream.write(text)

    def flush(self) -> None:
        with _our_errors():
            self._stream.flush()


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise OutputClosed from None
    except OSError as error:
        raise CommandFailed(f"the output can't be written: {error.strerror}") from None


def printable(text: str) -> str:
    """Control characters (an escape sequence in a product's name, say) made visible; a line stays one line."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def prepare_streams() -> None:
    """Gives closed standard streams a place to go, and every other one replacement characters for what it can't encode."""
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]


def silence() -> None:
    """After `OutputClosed`: what is still buffered goes nowhere, so that the interpreter's last flush can't complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # lives as long as the process


def _console(stream: _Guarded, terminal: bool, environment: Mapping[str, str]) -> "Console":
    from rich.console import Console

    # Whether it is a terminal is decided here: rich would take FORCE_COLOR for one and move the cursor in a file.
    forced = environment.get("FORCE_COLOR", "") not in ("", "0") and "NO_COLOR" not in environment
    return Console(
        file=cast("TextIO", stream),
        force_terminal=terminal,
        force_interactive=terminal,
        color_system="auto" if terminal else "standard" if forced else None,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
