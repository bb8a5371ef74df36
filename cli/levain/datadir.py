"""The folder of `levain up`: its secret, its lock, and the file by which other commands on this machine find it."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from levain.errors import BadInput

_SECRET_BYTES = 32


class DataDir:
    """Only its owner may enter it. Methods raise `BadInput` with the path that can't be used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"the data directory {self.path} can't be used: {error.strerror}") from None

    def secret(self) -> str | None:
        """The secret that `levain up` made here, or None."""
        try:
            text = (self.path / "secret").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise BadInput(f"{self.path / 'secret'} can't be read: {getattr(error, 'strerror', None) or 'not a secret'}") from None
        return text or None

    def secret_or_new(self) -> str:
        return self.secret() or self._new_secret()

    def _new_secret(self) -> str:
        text = secrets.token_hex(_SECRET_BYTES)
        self._write("secret", text)
        return text

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Held by one process at a time; the system frees it when that process ends, however it ends."""
        with self._open_lock() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise BadInput(f"the data directory {self.path} is in use by another `levain up`: stop it, or give --data-dir") from None
            yield

    def _open_lock(self) -> TextIO:
        try:
            return (self.path / "lock").open("w", encoding="ascii")
        except OSError as error:
            raise BadInput(f"the data directory {self.path} can't be used: {error.strerror}") from None

    @contextmanager
    def announced(self, url: str) -> Iterator[None]:
        """While entered, `endpoint` answers `url`."""
        self._write("endpoint.json", json.dumps({"url": url, "pid": os.getpid()}))
        try:
            yield
        finally:
            (self.path / "endpoint.json").unlink(missing_ok=True)

    def endpoint(self) -> str | None:
        """The address of the stack that runs on this folder, or None. What a killed one left behind counts for nothing."""
        if not self._held():
            return None
        try:
            url = json.loads((self.path / "endpoint.json").read_text(encoding="utf-8"))["url"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return url if isinstance(url, str) else None

    def _held(self) -> bool:
        try:
            with (self.path / "lock").open(encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def _write(self, name: str, text: str) -> None:
        """All or nothing, and readable by the owner alone."""
        temporary = self.path / f".{name}.{os.getpid()}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(f"{text}\n")
            temporary.replace(self.path / name)
        except OSError as error:
            raise BadInput(f"{self.path / name} can't be written: {error.strerror}") from None
