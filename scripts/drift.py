"""What every generator of a document does with what it made."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path


def keep(target: Path, text: str, source: str) -> int:
    """Writes it. With `--check` among the arguments it writes nothing, and answers 1 where the file differs."""
    if "--check" not in sys.argv[1:]:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    elif not target.is_file() or target.read_text(encoding="utf-8") != text:
        print(f"{target.name} differs from {source}: run make docs", file=sys.stderr)
        return 1
    return 0


def with_blocks(page: Path, blocks: Mapping[str, Callable[[], str]]) -> str:
    """Its text with what is between `<!-- NAME -->` and `<!-- end -->` made again. Raises ValueError where a mark is missing."""
    text = page.read_text(encoding="utf-8")
    for name, make in blocks.items():
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if len(block.findall(text)) != 1:
            raise ValueError(f"{page.name} needs the marks of {name} once")
        body = make()
        text = block.sub(lambda found, body=body: found[1] + body + found[2], text)  # type: ignore[misc]
    return text
