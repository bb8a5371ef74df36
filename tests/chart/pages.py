"""docs/operations.md and docs/runbook.md as tests read them: their commands, by their headings."""

import re

from tests.chart.kit import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def commands(heading: str, page: str = PAGE) -> list[str]:
    """The blocks of a section and of those below it."""
    marks, _, name = heading.partition(" ")
    (section,) = re.findall(rf"^{marks} {re.escape(name)}\n(.*?)(?=^#{{1,{len(marks)}}} |\Z)", page, re.DOTALL | re.MULTILINE)
    return _BLOCK.findall(section)


def all_commands(page: str = PAGE) -> list[str]:
    return _BLOCK.findall(page)
