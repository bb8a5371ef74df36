"""A file's bytes → how they are text, or a clear refusal. The content decides: labels and names of uploads are often wrong."""

import codecs
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from levain_training.ingest.refusals import DataRefused

PARQUET_MAGIC = b"PAR1"
MAX_FILE_BYTES = 2**31
_CHUNK_BYTES = 2**20

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
_NOT_CP1252 = (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")


class Encoded(NamedTuple):
    """Text begins at byte `start`, behind a BOM. `line_end`: LF where there is one in the file, else CR."""

    path: Path
    codec: str
    name: str
    start: int
    line_end: str


def look(path: Path) -> Encoded:
    """Reads it once, in pieces. Raises DataRefused for what is no text: workbooks, archives, NUL bytes, bytes of no known encoding."""
    with path.open("rb") as file:
        head = file.read(16)
    for magic, code, message in _MAGICS:
        if head.startswith(magic):
            raise DataRefused(code, f"this is {message}")
    for bom, name, codec in _BOMS:
        if head.startswith(bom):
            return _checked(path, codec, name, len(bom))
    try:
        return _checked(path, "utf-8", "UTF-8", 0)
    except _NotInCodec as error:
        at = error.at
    _refuse_nul_bytes(path)
    if any(byte in chunk for chunk in _chunks(path, 0) for byte in _NOT_CP1252):
        line = _line_of(path, at)
        raise DataRefused("unknown_encoding", f"line {line} is neither UTF-8 nor Windows-1252: save the file as UTF-8")
    return _checked(path, "cp1252", "Windows-1252", 0)


class _NotInCodec(ValueError):
    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


def _chunks(path: Path, start: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def texts(path: Path, codec: str, start: int) -> Iterator[str]:
    """The file's text in pieces. Raises `_NotInCodec` with the byte that does not fit."""
    decoder = codecs.getincrementaldecoder(codec)()
    before = start
    for chunk in chain(_chunks(path, start), (b"",)):
        waiting = len(decoder.getstate()[0])
        try:
            yield decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise _NotInCodec(before - waiting + error.start) from None
        before += len(chunk)


def _checked(path: Path, codec: str, name: str, start: int) -> Encoded:
    """Raises `_NotInCodec` where no BOM says what the file is."""
    begun, has_line_feed, characters = False, False, 0
    try:
        for text in texts(path, codec, start):
            if "\0" in text:
                place = characters + text.index("\0") + 1
                raise DataRefused("not_a_table", f"the text holds a NUL byte at character {place}: save the file as CSV in UTF-8")
            begun = begun or _begins(text)
            has_line_feed = has_line_feed or "\n" in text
            characters += len(text)
    except _NotInCodec as error:
        if not start:
            raise
        where = f"the file begins as {name}, but byte {error.at - start + 1} is not {name}"
        raise DataRefused("unknown_encoding", f"{where}: save it as UTF-8") from None
    if not begun:
        raise DataRefused("empty_file", "the file is empty: it needs a header line and one row per day and product")
    return Encoded(path, codec, name, start, "\n" if has_line_feed else "\r")


def _begins(text: str) -> bool:
    """False for white space alone. Raises DataRefused for markup."""
    start = text.lstrip()[:1]
    for opening, name in _MARKUP:
        if start == opening:
            raise DataRefused("not_a_table", f"this is {name}, not a table: save it as CSV")
    return bool(start)


def _refuse_nul_bytes(path: Path) -> None:
    passed = 0
    for chunk in _chunks(path, 0):
        if b"\0" in chunk:
            where = passed + chunk.index(b"\0") + 1
            raise DataRefused("not_a_table", f"the file holds a NUL byte at byte {where}: save it as CSV in UTF-8")
        passed += len(chunk)


def _line_of(path: Path, byte: int) -> int:
    line, left = 1, byte
    for chunk in _chunks(path, 0):
        line += chunk.count(b"\n", 0, max(left, 0))
        left -= len(chunk)
    return line
