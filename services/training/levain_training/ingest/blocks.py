"""A text file → blocks of whole lines in UTF-8, so that a file of any size needs the memory of one block."""

from collections.abc import Iterator

from levain_training.ingest.sniff import Encoded, texts

_BLOCK_BYTES = 2**22


def blocks(file: Encoded, block_bytes: int = _BLOCK_BYTES) -> Iterator[bytes]:
    """Each ends with LF, the last one perhaps not; none is empty. A line is never cut, however long it is."""
    rest = b""
    for piece in _pieces(file, block_bytes):
        end = piece.rfind(b"\n") + 1
        if end:
            yield rest + piece[:end] if rest else piece[:end]
            rest = piece[end:]
        else:
            rest += piece
    if rest:
        yield rest


def _pieces(file: Encoded, block_bytes: int) -> Iterator[bytes]:
    if file.codec == "utf-8":
        with file.path.open("rb") as opened:
            opened.seek(file.start)
            while piece := opened.read(block_bytes):
                yield piece if file.line_end == "\n" else piece.replace(b"\r", b"\n")
    else:
        for text in texts(file.path, file.codec, file.start):
            yield (text if file.line_end == "\n" else text.replace("\r", "\n")).encode()
