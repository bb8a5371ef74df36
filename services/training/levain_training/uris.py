"""Datasets by URI: only below an allowed prefix, after normalising, and without following a redirect."""

import posixpath
import ssl
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from levain_training.settings import PREFIX_FOR_ALL

CHUNK_BYTES = 1024 * 1024
_SCHEMES = ("https", "s3", "file")


class UriNotAllowed(ValueError):
    """The URI is malformed or below no allowed prefix of the tenant."""


class UriNotReadable(Exception):
    """The URI's content can't be had: absent, refused, redirected or too large."""


def prefixes_of(tenant_id: str, table: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return table.get(tenant_id, ()) + table.get(PREFIX_FOR_ALL, ())


def normalised(uri: str) -> str:
    """Lower-case scheme and host, no dot segments, no user, query or fragment. Raises `UriNotAllowed`."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise UriNotAllowed(f"the URI can't be read: {error}") from None
    if parts.scheme.lower() not in _SCHEMES:
        raise UriNotAllowed(f"the URI must start with one of {', '.join(s + '://' for s in _SCHEMES)}")
    if "@" in parts.netloc or parts.query or parts.fragment or not uri.isprintable() or "\\" in uri:
        raise UriNotAllowed("the URI may hold no user, query, fragment, backslash or control character")
    path = unquote(parts.path)
    if any(segment in (".", "..") for segment in path.split("/")) or "%" in path or not path.startswith("/"):
        raise UriNotAllowed("the URI's path must be absolute, without '.' or '..' and without doubly encoded characters")
    is_file = parts.scheme.lower() == "file"
    if (is_file and parts.netloc) or (not is_file and not parts.hostname):
        raise UriNotAllowed("the URI needs a host or bucket, and a file URI none: https://host/path, s3://bucket/path, file:///path")
    # The bucket of an s3 URI keeps its case; a host has none.
    host = parts.netloc if parts.scheme.lower() == "s3" else (parts.hostname or "") + (f":{port}" if port else "")
    return urlunsplit((parts.scheme.lower(), host, "/" + posixpath.normpath(path).lstrip("/"), "", ""))


def allowed(uri: str, prefixes: Iterable[str]) -> str:
    """The normalised URI. Raises `UriNotAllowed`."""
    plain = normalised(uri)
    for prefix in prefixes:
        if plain.startswith(normalised(prefix).rstrip("/") + "/"):
            return plain
    raise UriNotAllowed("the URI is below no prefix that this tenant may read; ask whoever runs the service to allow it")


def read_chunks(uri: str, prefixes: Iterable[str]) -> Iterator[bytes]:
    """The content of an allowed URI. Blocking. Raises `UriNotAllowed`, `UriNotReadable`."""
    import fsspec

    plain = allowed(uri, prefixes)
    scheme = urlsplit(plain).scheme
    if scheme == "file":
        _refuse_links_outside(plain, prefixes)
    options: dict[str, Any] = {"get_client": _client_without_redirects} if scheme == "https" else {}
    stream: dict[str, Any] = {"block_size": 0} if scheme == "https" else {}
    try:
        target = urlsplit(plain).path if scheme == "file" else plain
        with fsspec.filesystem(scheme, **options).open(target, "rb", **stream) as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except (UriNotAllowed, UriNotReadable):
        raise
    except Exception as error:  # each filesystem raises its own kinds
        # fsspec calls every failed read of a web page "not found"; its cause says more.
        raise UriNotReadable(f"the URI can't be read: {type(error.__cause__ or error).__name__}") from error


async def _client_without_redirects(**options: Any) -> Any:
    import aiohttp

    async def refuse(response: aiohttp.ClientResponse) -> None:
        if response.status not in (200, 206):
            raise UriNotReadable(f"the URI's server answered {response.status}; redirects are not followed")

    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
    session = aiohttp.ClientSession(connector=connector, raise_for_status=refuse, **options)
    ask = session.get
    session.get = lambda *a, **k: ask(*a, **(k | {"allow_redirects": False}))  # type: ignore[method-assign]
    return session


def _refuse_links_outside(plain: str, prefixes: Iterable[str]) -> None:
    real = Path(urlsplit(plain).path).resolve()
    for prefix in prefixes:
        if prefix.startswith("file:") and real.is_relative_to(Path(urlsplit(normalised(prefix)).path).resolve()):
            return
    raise UriNotAllowed("the file is a link that leads out of the allowed folders")
