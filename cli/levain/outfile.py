"""A result file appears whole or not at all."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from levain.errors import BadInput


def check_writable(path: Path) -> None:
    """Before an hour of training: raises `BadInput` where `path` could not be written after it."""
    if path.is_dir():
        raise BadInput(f"--forecasts {path}: this is a directory")
    where = path if _special(path) else path.resolve().parent
    if not where.exists():
        raise BadInput(f"--forecasts {path}: there is no directory {where}")
    if not os.access(where, os.W_OK):
        raise BadInput(f"--forecasts {path}: no permission to write there")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` when the block ends well. Raises `BadInput`."""
    try:
        with _straight(path) if _special(path) else _beside(path.resolve()) as file:
            yield file
    except OSError as error:
        raise BadInput(f"--forecasts {path}: {error.strerror}") from None


def _special(path: Path) -> bool:
    """A pipe or a device such as /dev/stdout can't be replaced, only written; nor has what it leads to a name."""
    return path.exists() and not stat.S_ISREG(path.stat().st_mode)


@contextmanager
def _straight(path: Path) -> Iterator[BinaryIO]:
    # Collected first: a second try must be able to start anew.
    with tempfile.TemporaryFile() as collected:
        yield collected
        collected.seek(0)
        with path.open("wb") as file:
            while chunk := collected.read(1024 * 1024):
                file.write(chunk)


@contextmanager
def _beside(target: Path) -> Iterator[BinaryIO]:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:50]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            os.fchmod(descriptor, _mode(target))
            file.flush()
            os.fsync(descriptor)
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _mode(target: Path) -> int:
    """That of the file which is replaced, else what the user's mask gives to a new one."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
