"""The one error of this package: the file can't be read as sales, and a person has to decide or to mend something."""

from levain_contracts.model import clip


class DataRefused(ValueError):
    """`code` is one of docs/data.md; `message` is one line that names the line or column and what to do."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = clip(message)
        super().__init__(self.message)
