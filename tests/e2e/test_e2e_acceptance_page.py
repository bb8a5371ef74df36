"""The page that says which test shows what, against the tests that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_acceptance_page_names_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs" / "acceptance.md").read_text(encoding="utf-8"))
    assert len(named) > 30
    missing = [f"{file}::{test}" for file, test in named if not _exists(ROOT / "tests" / file, test)]
    assert missing == []


def _exists(file: Path, test: str) -> bool:
    return file.exists() and f"def {test}(" in file.read_text(encoding="utf-8")
