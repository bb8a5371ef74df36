"""Files are read block by block: where a block ends, and which way it goes, must not show."""

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levain_contracts.reading import ReadingOptions
from levain_training.ingest import Sales, blocks, read_sales, sniff


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


texts = st.text(st.sampled_from('aé€\U0001f950\n\r,"; '), min_size=1, max_size=80)
encodings = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])


@settings(max_examples=200, deadline=None)
@given(text=texts, encoding=encodings, size=st.integers(1, 9))
def test_blocks_are_whole_lines_of_the_file_whatever_their_size(text: str, encoding: str, size: int) -> None:
    text = "x" + (text if encoding != "cp1252" else text.replace("\U0001f950", ""))
    with tempfile.TemporaryDirectory() as folder:
        file = sniff.look(write(Path(folder) / "file", text.encode(encoding)))
        parts = list(blocks.blocks(file, size))
    assert b"".join(parts).decode() == (text if "\n" in text else text.replace("\r", "\n"))
    assert all(part.endswith(b"\n") for part in parts[:-1])
    assert all(parts)


ODD = [
    '2023-04-01,"Brot",7',
    "",
    "  ",
    ",,",
    "2023-04-02,Brot",
    '2023-04-03,"Br,ot",8',
    "2023-04-04,Brot,9,",
    '2023-04-05,"Brot,1',
    "2023-04-06,Brot,x",
]


@settings(max_examples=40, deadline=None)
@given(odd=st.lists(st.sampled_from(ODD), max_size=9), seed=st.integers(0, 999), size=st.sampled_from([1, 30, 100, 1000]))
def test_plain_blocks_and_careful_ones_read_alike(odd: list[str], seed: int, size: int) -> None:
    lines = [f"2023-{1 + i // 28:02}-{1 + i % 28:02},{name},{5 + i % 7}" for i in range(84) for name in ("Brot", "Wecken")]
    lines = [*lines, *odd]
    random.Random(seed).shuffle(lines)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = write(Path(folder) / "file", "\n".join(["date,product,quantity", *lines]).encode())
        whole = read_sales(path, ReadingOptions())
        patch.setattr(blocks.blocks, "__defaults__", (size,))
        cut = read_sales(path, ReadingOptions())
    assert said(cut) == said(whole)


def said(sales: Sales) -> Any:
    return sales.series, sales.skipped, sales.calendars, sales.report


def test_a_line_that_is_too_short_is_not_made_up_for_by_one_that_is_too_long(base: Any) -> None:
    sales = base.read(base.csv() + "2023-01-05,Brot\n2023-01-05,Brot,1,1\n")
    (repair,) = sales.report.repairs
    assert (repair.code, repair.lines) == ("wrong_field_count", (802, 803))


def test_every_way_of_a_name_is_one_product_over_all_blocks(base: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks.blocks, "__defaults__", (50,))
    sales = base.read(base.csv(line=lambda d, p, q: f"{d}, {p}{' ' * (d.day % 3)},{q}"))
    assert sales.series == base.twin().series
    quoted = base.read(base.csv(line=lambda d, p, q: f'{d},"{p}",{q}' if d.day % 2 else f"{d},{p},{q}"))
    assert quoted.series == base.twin().series
