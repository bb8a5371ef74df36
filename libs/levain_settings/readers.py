"""Readers of one setting's text, each strict and bounded: they raise ValueError with what was expected."""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

_LISTEN = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(?P<port>\d{1,5})\Z")


class Listen(NamedTuple):
    """An address to listen on; port 0 lets the system choose."""

    host: str
    port: int


def listen(text: str) -> Listen:
    found = _LISTEN.match(text)
    if found is None or int(found["port"]) > 65535:
        raise ValueError("expected host:port, for example 0.0.0.0:8080 or [::]:8080")
    return Listen(found["host"].strip("[]"), int(found["port"]))


def text(pattern: str = r".{1,2000}", expected: str = "a text of at most 2000 characters") -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def read(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise ValueError(f"expected {expected}")
        return value

    return read


def count(least: int, most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not re.fullmatch(r"\d{1,18}", value, re.ASCII) or not least <= int(value) <= most:
            raise ValueError(f"expected a whole number from {least} to {most}")
        return int(value)

    return read


def seconds(least: float, most: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise ValueError(f"expected seconds from {least:g} to {most:g}")
        return number

    return read


def choice(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return value

    return read


def words(of: Callable[[str], Any] = str) -> Callable[[str], tuple[Any, ...]]:
    """A list, parted by commas or white space."""
    return lambda value: tuple(of(word) for word in re.split(r"[,\s]+", value) if word)


def url(*schemes: str) -> Callable[[str], str]:
    """An address with a host, without user, query or fragment; a slash at its end is taken away."""

    def read(value: str) -> str:
        parts = urlsplit(value)  # raises ValueError itself for a broken port or bracket
        plain = parts.hostname and not (parts.username or parts.password or parts.query or parts.fragment)
        if parts.scheme not in schemes or not plain or parts.port == 0 or not value.isascii() or re.search(r"\s", value):
            raise ValueError(f"expected an address such as {schemes[0]}://host:8000, without user, query or fragment")
        return value.rstrip("/")

    return read
