import random
import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from levain_contracts.reading import Columns, Layout, ReadingOptions
from levain_training.ingest import DataRefused, Sales, read_sales
from levain_training.ingest.fields import split_line, split_lines

FIRST = date(2023, 3, 6)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Zs")), min_size=1, max_size=12)


@dataclass(frozen=True)
class Dialect:
    """A way to write the same sales; `decimals` forces a fraction, so that the decimal mark shows."""

    delimiter: str
    quote: str
    decimal: str
    date_format: str
    encoding: str
    end: str
    head: str
    seed: int

    def field(self, text: str) -> str:
        must = any(c in text for c in (self.delimiter, '"')) or text != text.strip()
        if not must and (self.quote == "needed" or (self.quote == "some" and len(text) % 2)):
            return text
        return '"' + text.replace('"', '""') + '"'

    def write(self, rows: list[tuple[date, str, float]]) -> bytes:
        shuffled = random.Random(self.seed).sample(rows, len(rows))
        lines = [self.head.replace(",", self.delimiter)]
        for day, name, sold in shuffled:
            fields = (day.strftime(self.date_format), name, str(sold).replace(".", self.decimal))
            lines.append(self.delimiter.join(self.field(field) for field in fields))
        return self.end.join([*lines, ""]).encode(self.encoding)


dialects = st.builds(
    Dialect,
    delimiter=st.sampled_from(",;\t|"),
    quote=st.sampled_from(["needed", "all", "some"]),
    decimal=st.sampled_from(".,"),
    date_format=st.sampled_from(["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d", "%d/%m/%y", "%Y-%m-%d 00:00:00"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    head=st.sampled_from(["date,product,quantity", "ds,unique_id,y", "Datum,Artikel,Menge"]),
    seed=st.integers(0, 99),
)


def read(content: bytes, options: ReadingOptions | None = None) -> Sales:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sales"
        path.write_bytes(content)
        return read_sales(path, options or ReadingOptions())


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(NAMES, min_size=1, max_size=4, unique=True), dialect=dialects, sold=st.lists(st.integers(1, 400), min_size=5, max_size=9)
)
def test_the_same_sales_read_equal_in_every_dialect(names: list[str], dialect: Dialect, sold: list[int]) -> None:
    rows = [
        (FIRST + timedelta(days=i), name, sold[(i + k) % len(sold)] / 2 + 0.25 * (i % 2)) for i in range(40) for k, name in enumerate(names)
    ]
    sales = read(dialect.write(rows))
    expected = {name: [value for _, product, value in rows if product == name] for name in names}
    assert {one.product: one.values for one in sales.series} == expected
    assert {one.start for one in sales.series} == {FIRST}
    assert sales.report.repairs == ()
    assert sales.report.rows_used == len(rows)


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    read_or_refuse(content, ReadingOptions())


junk = st.text(st.sampled_from("\",;\t|\r\n\n\n 0123456789.-/:TZe'()−é\u00a0NA%x\x1b"), max_size=200)
options = st.builds(
    ReadingOptions,
    columns=st.builds(Columns, date=st.sampled_from([None, "product"]), shop=st.sampled_from([None, "s", "date"])),
    date_format=st.sampled_from([None, "%d/%m/%Y", "%Y", "%q%Y", "%d %d %Y", "%Y-%m-%dT%H:%M", "((%Y%m%d"]),
    decimal=st.sampled_from([None, ".", ","]),
    layout=st.sampled_from([*Layout, Layout.LONG]),
    time_zone=st.sampled_from([None, "Europe/Paris"]),
    cut_over_hour=st.sampled_from([0, 4]),
)


@settings(max_examples=300, deadline=None)
@given(
    head=st.sampled_from(
        [
            "date,product,quantity\n",
            "date,product,2023-01-01,02.01.2023\n",
            "s;date;product;quantity\n",
            "sep=;\ndate;product;quantity;\n",
            "y\tds\titem\tshop\n",
            "",
        ]
    ),
    start=st.sampled_from(
        ["", "2023-01-01,Brot,3\n" * 3, "2023-01-01T01:30Z,Brot\n" * 3, "Nord;13/01/2023;Brot;1.234\n" * 9, "3\t20230101\tBrot\tNord\n"]
    ),
    body=junk,
    wanted=options,
)
def test_any_lines_below_a_header_are_read_or_refused(head: str, start: str, body: str, wanted: ReadingOptions) -> None:
    read_or_refuse((head + start + body).encode(), wanted)


def read_or_refuse(content: bytes, wanted: ReadingOptions) -> None:
    outcome = attempt(content, wanted)
    if isinstance(outcome, DataRefused):
        assert outcome.message
        assert outcome.message.isprintable()
    else:
        assert outcome.report.products == len(outcome.series) + len(outcome.skipped) > 0
        assert outcome.report.rows_used <= outcome.report.rows_read


def attempt(content: bytes, wanted: ReadingOptions) -> Sales | DataRefused:
    try:
        return read(content, wanted)
    except DataRefused as error:
        return error


@given(
    fields=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=6), min_size=1),
    delimiter=st.sampled_from(",;\t|"),
)
def test_quoted_fields_come_back_as_they_were(fields: list[str], delimiter: str) -> None:
    line = delimiter.join('"' + field.replace('"', '""') + '"' for field in fields)
    assert split_line(line, delimiter) == fields
    assert split_lines(pl.Series([line]), delimiter) == [fields]


@given(lines=st.lists(st.text(st.sampled_from('"",; \tab\r\x0b'), min_size=1, max_size=12), min_size=1), delimiter=st.sampled_from(",;\t|"))
def test_the_fast_way_to_split_lines_agrees_with_the_tolerant_one(lines: list[str], delimiter: str) -> None:
    assert split_lines(pl.Series(lines), delimiter) == [split_line(line, delimiter) for line in lines]
