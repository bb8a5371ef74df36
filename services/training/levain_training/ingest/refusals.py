"""The one error of this package: the file can't be read as sales, and a person has to decide or to mend something."""

from collections.abc import Iterable
from difflib import get_close_matches

from levain_contracts.model import clip

_MAX_LISTED = 6


def did_you_mean(asked: str, known: Iterable[str]) -> str:
    """How a message about an unknown name goes on: those that are near it, or the first there are."""
    names = sorted(known)
    near = get_close_matches(asked.casefold(), [name.casefold() for name in names], n=_MAX_LISTED, cutoff=0.6)
    shown = [name for name in names if name.casefold() in near] or names[:_MAX_LISTED]
    more = " …" if not near and len(names) > _MAX_LISTED else ""
    return f": {'perhaps' if near else 'there are'} {', '.join(shown)}{more}"


class DataRefused(ValueError):
    """`code` is one of docs/data.md; `message` is one line that names the line or column and what to do."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = clip(message)
        super().__init__(self.message)
