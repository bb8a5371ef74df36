import io
import random
import signal
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def parquet(base: Any, **columns: Any) -> bytes:
    days, names, sold = zip(*base.rows, strict=True)
    plain = {"date": pa.array(days, pa.date32()), "product": pa.array(names), "quantity": pa.array(sold)}
    file = io.BytesIO()
    pq.write_table(pa.table({**plain, **columns}), file)
    return file.getvalue()


def dates(base: Any) -> Any:
    return pa.array([row[0] for row in base.rows], pa.date32())


@pytest.mark.parametrize(
    "kind",
    [pa.date32(), pa.date64(), *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns"))],
)
def test_decimals_dictionaries_and_every_kind_of_date_read_like_the_csv(base: Any, kind: Any) -> None:
    sold = pa.array([Decimal(row[2]).quantize(Decimal("0.01")) for row in base.rows], pa.decimal128(9, 2))
    names = pa.array([row[1] for row in base.rows]).dictionary_encode()
    sales = base.read(parquet(base, date=dates(base).cast(kind), product=names, quantity=sold))
    assert sales.series == base.twin().series
    assert sales.report.repairs == ()
    assert sales.report.format == "Parquet"


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint16(), pa.float32(), pa.float64(), pa.decimal128(30, 3), pa.string()])
def test_every_kind_of_number_reads_like_the_csv(base: Any, kind: Any) -> None:
    sold = pa.array([row[2] for row in base.rows]).cast(kind)
    assert base.read(parquet(base, quantity=sold)).series == base.twin().series


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.string()])
def test_every_kind_of_text_reads_like_the_csv(base: Any, kind: Any) -> None:
    names = pa.array([row[1] for row in base.rows], kind)
    assert base.read(parquet(base, product=names)).series == base.twin().series


def test_dates_as_text_or_whole_numbers_are_read_too(base: Any) -> None:
    text = pa.array([f"{row[0]:%d/%m/%Y}" for row in base.rows])
    sales = base.read(parquet(base, date=text))
    assert (sales.series, sales.report.format) == (base.twin().series, "Parquet, dd/mm/yyyy")
    numbers = pa.array([int(f"{row[0]:%Y%m%d}") for row in base.rows])
    assert base.read(parquet(base, date=numbers)).series == base.twin().series


def test_a_time_zone_keeps_its_own_days(base: Any) -> None:
    local = dates(base).cast(pa.timestamp("us"))
    zoned = pa.compute.assume_timezone(local, "Pacific/Auckland")
    assert base.read(parquet(base, date=zoned)).series == base.twin().series


def test_missing_values_are_listed_by_row_number(base: Any) -> None:
    sold = pa.array([None if i == 3 else float("nan") if i == 4 else float("inf") if i == 5 else row[2] for i, row in enumerate(base.rows)])
    names = pa.array([None if i == 7 else row[1] for i, row in enumerate(base.rows)])
    days = pa.array([None if i == 9 else row[0] for i, row in enumerate(base.rows)], pa.date32())
    sales = base.read(parquet(base, quantity=sold, product=names, date=days))
    by_code = {repair.code: repair.lines for repair in sales.report.repairs}
    assert by_code == {"missing_product": (8,), "unparsable_date": (10,), "missing_quantity": (4, 5), "unparsable_quantity": (6,)}
    assert "row 4" in next(repair for repair in sales.report.repairs if repair.code == "missing_quantity").message
    assert sales.report.rows_used == 795


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("us", "Europe/Paris")])
@pytest.mark.parametrize("far", [2**31 - 1, -(2**31)])
def test_a_date_beyond_the_calendar_is_listed(base: Any, kind: Any, far: int) -> None:
    unit = {pa.date32(): 1, pa.timestamp("s"): 86_400}.get(kind, 86_400 * 10**6)
    days = [far if i == 5 else (row[0] - date(1970, 1, 1)).days for i, row in enumerate(base.rows)]
    stored = pa.array([day * (unit if day != far else min(unit, 2**31)) for day in days], pa.int32() if unit == 1 else pa.int64()).cast(
        kind
    )
    sales = base.read(parquet(base, date=stored))
    codes = {repair.code: repair.lines for repair in sales.report.repairs}
    assert codes == {"date_out_of_range": (6,)}


def test_other_columns_of_any_type_are_passed_over(base: Any) -> None:
    nested = pa.array([[{"a": 1}]] * 800)
    index = pa.array(range(800))
    sales = base.read(parquet(base, till=nested, __index_level_0__=index))
    assert sales.series == base.twin().series


def test_shops_may_be_numbers(base: Any) -> None:
    sales = base.read(parquet(base, shop=pa.array([7] * 800)))
    assert {one.shop for one in sales.series} == {"7"}


@pytest.mark.parametrize(
    ("column", "values"), [("quantity", [True] * 800), ("product", [1.5] * 800), ("date", [1.5] * 800), ("product", [["a"]] * 800)]
)
def test_a_column_of_no_usable_type_is_refused_by_name(base: Any, column: str, values: list[Any]) -> None:
    error = base.refused(parquet(base, **{column: pa.array(values)}))
    assert error.code == "wrong_column_type"
    assert f"'{column}'" in error.message


@pytest.mark.parametrize("cut", [4, 100, 2000, -1, -5])
def test_a_damaged_file_is_refused(base: Any, cut: int) -> None:
    assert base.refused(parquet(base)[:cut]).code == "damaged_parquet"


READ_EACH = """
import sys
from pathlib import Path
from levain_contracts.reading import ReadingOptions
from levain_training.ingest import DataRefused, read_sales

for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_sales(path, ReadingOptions())
    except DataRefused:
        pass
"""


def test_a_wrong_byte_is_read_or_refused_and_at_worst_ends_the_child_process(base: Any, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    content, chance = parquet(base), random.Random(7)
    for number in range(150):
        damaged = bytearray(content)
        damaged[chance.randrange(4, len(content) - 4)] ^= chance.randrange(1, 256)
        (folder / f"{number:03}.parquet").write_bytes(damaged)
    done = subprocess.run([sys.executable, "-c", READ_EACH, str(folder)], capture_output=True, check=False, timeout=50)
    # A damaged length can make the Parquet reader ask for exabytes, which aborts: why files are read in a child process.
    assert done.returncode in (0, -signal.SIGABRT, -signal.SIGSEGV), done.stderr[-2000:].decode(errors="replace")
    assert b"Traceback" not in done.stderr


def test_a_file_without_rows_is_refused(base: Any) -> None:
    file = io.BytesIO()
    pq.write_table(
        pa.table({"date": pa.array([], pa.date32()), "product": pa.array([], pa.string()), "quantity": pa.array([], pa.int64())}), file
    )
    assert base.refused(file.getvalue()).code == "no_rows"
