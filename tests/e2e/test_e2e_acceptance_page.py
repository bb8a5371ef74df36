"""The pages that say which test shows what, against the tests that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("page", "least"), [("acceptance.md", 30), ("reliability.md", 20)])
def test_every_test_that_the_page_names_exists(page: str, least: int) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert len(named) > least
    missing = [f"{file}::{test}" for file, test in named if not _exists(ROOT / "tests" / file, test)]
    assert missing == []


def test_every_test_of_the_page_that_is_named_exists() -> None:
    named = re.findall(r"`((?:e2e|tests)/[\w.]+\.tsx?)`: \"([^\"]+)\"", (ROOT / "docs" / "acceptance.md").read_text(encoding="utf-8"))
    assert len(named) > 10
    missing = [(file, title) for file, title in named if title not in (ROOT / "frontend" / file).read_text(encoding="utf-8")]
    assert missing == []


def _exists(file: Path, test: str) -> bool:
    return file.exists() and f"def {test}(" in file.read_text(encoding="utf-8")
