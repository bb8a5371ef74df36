import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from levain_contracts.reading import ReadingOptions
from levain_training.ingest import read_sales

REAL = Path(__file__).parents[3] / "shared" / "data" / "french_bakery_daily.csv"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_usual_encoding_reads_the_same(base: Any, encoding: str) -> None:
    rows = [(day, f"Crème brûlée {name}", sold) for day, name, sold in base.rows]
    sales = base.read(base.csv(rows).encode(encoding))
    assert [one.product for one in sales.series] == ["Crème brûlée Brot", "Crème brûlée Croissant"]
    assert [one.values for one in sales.series] == [one.values for one in base.twin().series]
    noted = {"utf-16": ("the text is read as UTF-16",), "cp1252": ("the text is read as Windows-1252",)}
    assert sales.report.notes == noted.get(encoding, ())


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


@pytest.mark.parametrize("content", [zipped(), b"PK\x05\x06" + b"\0" * 18, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100])
def test_a_workbook_or_zip_is_refused_with_the_way_out(base: Any, content: bytes) -> None:
    error = base.refused(content)
    assert error.code == "not_a_table"
    assert "an Excel workbook or zip: save it as CSV" in error.message


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b" \n\r\n\t", "empty_file"),
        (b"\xef\xbb\xbf", "empty_file"),
        (b"sep=;\n\n", "empty_file"),
        (b"date,product,quantity", "no_rows"),
        (b"date,product,quantity\n\n,,\n", "no_rows"),
        (b"date,product,quantity\n2023-01-01,,3\n", "no_usable_rows"),
        (gzip.compress(b"date,product,quantity\n", mtime=0), "compressed"),
        (b"%PDF-1.7\n", "not_a_table"),
        (b"date,product,quantity\n2023-01-01,Br\0t,3\n", "not_a_table"),
        ("date,product,quantity\n".encode("utf-16-le"), "not_a_table"),
        (b"<html><table>", "not_a_table"),
        (b'[{"date": "2023-01-01"}]', "not_a_table"),
        (b"date,product,quantity\n2023-01-01,Br\x81\xfft,3\n", "unknown_encoding"),
        (b"\xff\xfed\0a", "unknown_encoding"),
        (b"PAR1", "damaged_parquet"),
        (b"PAR1" + b"\xff" * 100 + b"PAR1", "damaged_parquet"),
        (b"PARE" + b"\0" * 100 + b"PARE", "not_a_table"),
        (b'date,product,quant"ity\n', "missing_column"),
        (b'"date,product,quantity\n', "unclosed_quote"),
    ],
)
def test_what_is_no_table_is_refused_by_its_content(base: Any, content: bytes, code: str) -> None:
    assert base.refused(content).code == code


@pytest.mark.parametrize("suffix", [".xls", ".bin", ""])
def test_the_name_of_the_file_does_not_matter(base: Any, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"renamed{suffix}"
    path.write_text(base.csv())
    assert read_sales(path, ReadingOptions()).series == base.twin().series


@pytest.mark.skipif(not REAL.exists(), reason="the real bakery's data are not beside the project")
def test_a_real_bakery_reads_without_a_repair() -> None:
    sales = read_sales(REAL, ReadingOptions())
    assert sales.report.repairs == ()
    assert sales.report.columns == {"date": "ds", "product": "unique_id", "quantity": "y"}
    assert sales.report.notes == ("columns not used: unit_price",)
    assert (sales.report.rows_read, sales.report.rows_used) == (57_046, 57_046)
    assert len(sales.series) + len(sales.skipped) == sales.report.products == 148
    assert {one.reason for one in sales.skipped} == {"dormant", "too_little_history", "no_sales"}
    assert str(sales.forecast_start) == "2022-10-01"
    assert len({one.product_id for one in sales.series}) == len(sales.series)
