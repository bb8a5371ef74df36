"""The view for a program: every frame as one line of JSON, as it was received."""

import json
from collections.abc import Callable

from levain.output import printable
from levain_contracts.viewer import ViewerState


class JsonView:
    """`write` takes the line; `ascii_only` where the stream can't hold every letter: JSON has its own way to spell them."""

    def __init__(self, write: Callable[[str], None], note: Callable[[str], None], *, ascii_only: bool) -> None:
        self._write, self._note, self._ascii_only = write, note, ascii_only

    def heard(self, text: str, state: ViewerState) -> None:
        try:
            value = json.loads(text)
        except ValueError:
            return
        whole = text.isascii() or not self._ascii_only
        self._write(text if whole and text == printable(text) else json.dumps(value))

    def beat(self, state: ViewerState) -> None:
        pass

    def note(self, line: str) -> None:
        self._note(line)
