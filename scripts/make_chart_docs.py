"""Writes the table of charts/levain/README.md from values.yaml and its comments `# --`. With `--check` it exits 1 where it differs."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from scripts.drift import keep, with_blocks

CHART = Path(__file__).resolve().parent.parent / "charts" / "levain"
TARGET = CHART / "README.md"
_KINDS = {bool: "boolean", int: "integer", str: "string", list: "list", dict: "object"}
Key = tuple[str, ...]


def described(text: str) -> dict[Key, str]:
    """Each key that has a comment `# -- …` above it, with the comment, in the order of the file."""
    found: dict[Key, str] = {}
    at: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        word = line.strip()
        if word.startswith("# -- "):
            comment = [word[5:]]
        elif word.startswith("# ") and comment:
            comment.append(word[2:])
        elif ":" in word and not word.startswith(("-", "#")):
            indent = len(line) - len(line.lstrip())
            at = [*((i, name) for i, name in at if i < indent), (indent, word.partition(":")[0])]
            if comment:
                found[tuple(name for _, name in at)] = " ".join(comment)
            comment = []
    return found


def table(text: str) -> str:
    values, comments = yaml.safe_load(text), described(text)
    lines = ["| value | type | default | meaning |", "|---|---|---|---|"]
    for path, comment in comments.items():
        value = _at(values, path)
        # A group's defaults stand in the rows of its own values.
        is_group = any(other[: len(path)] == path and other != path for other in comments)
        default = "" if is_group else f"`{json.dumps(value, ensure_ascii=False)}`"
        cells = (f"`{'.'.join(path)}`", _KINDS[type(value)], default, comment)
        lines.append(" | ".join(("", *(cell.replace("|", r"\|") for cell in cells), "")).strip().replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def _at(values: Mapping[str, Any], path: Key) -> Any:
    for name in path:
        values = values[name]
    return values


def main() -> int:
    return keep(TARGET, with_blocks(TARGET, {"values": lambda: table((CHART / "values.yaml").read_text(encoding="utf-8"))}), "values.yaml")


if __name__ == "__main__":
    sys.exit(main())
