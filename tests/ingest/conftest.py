"""BASE: two products over 400 days; every repair is measured against the series of its plain CSV."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from levain_contracts.reading import Columns, ReadingOptions
from levain_training.ingest import DataRefused, Sales, read_sales

Row = tuple[date, str, int]
WEEK = (20, 21, 22, 23, 28, 35, 24)  # Monday to Sunday
DAYS = [date(2023, 1, 1) + timedelta(days=i) for i in range(400)]


class Base:
    """Writes rows as a file and reads it; BASE when no rows are given."""

    week = WEEK
    days = DAYS
    rows: tuple[Row, ...] = tuple((day, name, WEEK[day.weekday()] + more) for day in DAYS for name, more in (("Brot", 0), ("Croissant", 3)))

    def __init__(self, path: Path) -> None:
        self.path = path

    def csv(
        self,
        rows: Iterable[tuple[date, str, Any]] | None = None,
        head: str = "date,product,quantity",
        line: Callable[[date, str, Any], str] = lambda day, name, sold: f"{day},{name},{sold}",
    ) -> str:
        return "\n".join([head, *(line(*row) for row in (self.rows if rows is None else rows))]) + "\n"

    def read(self, content: str | bytes, columns: dict[str, str] | None = None, **options: Any) -> Sales:
        self.path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_sales(self.path, ReadingOptions(columns=Columns(**(columns or {})), **options))

    def refused(self, content: str | bytes, columns: dict[str, str] | None = None, **options: Any) -> DataRefused:
        with pytest.raises(DataRefused) as caught:
            self.read(content, columns, **options)
        assert "\n" not in caught.value.message
        return caught.value

    def twin(self) -> Sales:
        return self.read(self.csv())


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path / "sales")
