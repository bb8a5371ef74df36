"""Bytes → text, or a clear refusal. The content decides what a file is: labels and names of uploads are often wrong."""

import codecs
from typing import NamedTuple

from levain_training.ingest.refusals import DataRefused

PARQUET_MAGIC = b"PAR1"
MAX_FILE_BYTES = 2**31  # one Arrow string view addresses 4 GiB; text may double when it is decoded

_WORKBOOK = "an Excel workbook or zip: save it as CSV"
_COMPRESSED = "a compressed file: unpack it and send the CSV inside"
_MAGICS = (
    (b"PK\x03\x04", "not_a_table", _WORKBOOK),
    (b"PK\x05\x06", "not_a_table", _WORKBOOK),
    (b"\xd0\xcf\x11\xe0", "not_a_table", _WORKBOOK),
    (b"\x1f\x8b", "compressed", _COMPRESSED),
    (b"\x28\xb5\x2f\xfd", "compressed", _COMPRESSED),
    (b"BZh", "compressed", _COMPRESSED),
    (b"\xfd7zXZ\x00", "compressed", _COMPRESSED),
    (b"7z\xbc\xaf\x27\x1c", "compressed", _COMPRESSED),
    (b"PARE", "not_a_table", "an encrypted Parquet file: save it without encryption"),
    (b"%PDF", "not_a_table", "a PDF document: export the sales as CSV"),
)
_MARKUP = (("<", "HTML or XML"), ("{", "JSON"), ("[", "JSON"))
_BOMS = ((codecs.BOM_UTF8, "UTF-8", "utf-8"), (codecs.BOM_UTF16_LE, "UTF-16", "utf-16-le"), (codecs.BOM_UTF16_BE, "UTF-16", "utf-16-be"))


class Text(NamedTuple):
    text: str
    encoding: str


def decode(data: bytes) -> Text:
    """Raises DataRefused for what is no text: workbooks, archives, NUL bytes, bytes of no known encoding."""
    for magic, code, message in _MAGICS:
        if data.startswith(magic):
            raise DataRefused(code, f"this is {message}")
    decoded = _text(data)
    if "\0" in decoded.text:
        raise DataRefused(
            "not_a_table", f"the text holds a NUL byte at character {decoded.text.index(chr(0)) + 1}: save the file as CSV in UTF-8"
        )
    start = decoded.text.lstrip()[:1]
    for opening, name in _MARKUP:
        if start == opening:
            raise DataRefused("not_a_table", f"this is {name}, not a table: save it as CSV")
    if not start:
        raise DataRefused("empty_file", "the file is empty: it needs a header line and one row per day and product")
    return decoded


def _text(data: bytes) -> Text:
    for bom, name, codec in _BOMS:
        if data.startswith(bom):
            return Text(_strict(data[len(bom) :], name, codec), name)
    try:
        return Text(data.decode("utf-8"), "UTF-8")
    except UnicodeDecodeError as error:
        if b"\0" in data:
            raise DataRefused("not_a_table", f"the file holds a NUL byte at byte {data.index(0) + 1}: save it as CSV in UTF-8") from error
        at = error.start
    try:
        return Text(data.decode("cp1252"), "Windows-1252")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, at) + 1
        raise DataRefused("unknown_encoding", f"line {line} is neither UTF-8 nor Windows-1252: save the file as UTF-8") from error


def _strict(data: bytes, name: str, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        where = f"the file begins as {name}, but byte {error.start + 1} is not {name}"
        raise DataRefused("unknown_encoding", f"{where}: save it as UTF-8") from error
