"""Who asks for what: from a request's head to where it goes, or to the refusal. Pure.

`examine` reads the head, then the caller verifies the token, then `admit` compares the two.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from levain_contracts.claims import Claims
from levain_contracts.frames import BEARER_PROTOCOL_PREFIX
from levain_contracts.ids import is_id
from levain_gateway.head import Head
from levain_gateway.refusals import Refusal

OPENAPI_PATH = b"/api/v1/openapi.json"
_PLAIN = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*\Z")  # RFC 3986 §3.3 without percent-encoding: our ids need none
_TENANTS = b"/api/v1/tenants/"
_LIVE = re.compile(rb"/api/v1/tenants/[^/]+/training/jobs/([^/]+)/live\Z")
# Decoders of base64 skip what they don't know, so a signature may hold line breaks and still be right; a header may not.
_TOKEN = re.compile(r"[A-Za-z0-9_.-]+\Z")
_READING = frozenset(("GET", "HEAD"))
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Local(NamedTuple):
    """The gateway answers itself: static files and health."""


class Public(NamedTuple):
    """Goes on without a token."""

    query: bytes


class Guarded(NamedTuple):
    """Goes on when `token` is for `tenant_id`. `query` no longer holds the token."""

    tenant_id: str
    token: str
    query: bytes


def examine(head: Head, *, websocket: bool, allowed_origins: frozenset[str]) -> Local | Public | Guarded | Refusal:
    if not websocket and not _is_api(head.path):
        return Local()
    refusal = _path_refusal(head.path, websocket) or _origin_refusal(head, allowed_origins)
    if refusal is not None:
        return refusal
    query, from_query = _split_query(head.query)
    if head.path == OPENAPI_PATH:
        return Public(query) if head.method in _READING else Refusal.NOT_FOUND
    tokens = from_query + _from_headers(head, websocket)
    if len(tokens) != 1:
        return Refusal.TWO_TOKENS if tokens else Refusal.TOKEN_MISSING
    if not _TOKEN.match(tokens[0]):
        return Refusal.TOKEN_INVALID
    return Guarded(_tenant(head.path), tokens[0], query)


def admit(method: str, guarded: Guarded, claims: Claims) -> Refusal | None:
    if claims.tenant_id != guarded.tenant_id:
        return Refusal.WRONG_TENANT
    if method not in _READING and not claims.may_train:
        return Refusal.READ_ONLY
    return None


def _is_api(path: bytes) -> bool:
    return path == b"/api" or path.startswith(b"/api/")


def _path_refusal(path: bytes, websocket: bool) -> Refusal | None:
    segments = path.split(b"/")
    if not _PLAIN.match(path) or b"" in segments[1:-1] or b"." in segments or b".." in segments:
        return Refusal.BAD_PATH
    if path == OPENAPI_PATH:
        return Refusal.NOT_FOUND if websocket else None
    if not path.startswith(_TENANTS) or len(segments) < 7 or segments[5] != b"training":
        return Refusal.NOT_FOUND
    if not is_id(_tenant(path)):
        return Refusal.BAD_PATH
    return _live_refusal(path) if websocket else None


def _live_refusal(path: bytes) -> Refusal | None:
    live = _LIVE.match(path)
    if live is None:
        return Refusal.NOT_FOUND
    return None if is_id(live[1].decode("ascii")) else Refusal.BAD_PATH


def _tenant(path: bytes) -> str:
    return path.split(b"/")[4].decode("ascii")


def _split_query(query: bytes) -> tuple[bytes, list[str]]:
    """The query without `token=…`, every other byte kept, and the tokens."""
    kept, tokens = [], []
    for part in query.split(b"&") if query else []:
        name, _, value = part.partition(b"=")
        if unquote_to_bytes(name) == b"token":
            tokens.append(unquote_to_bytes(value).decode("ascii", "replace"))
        else:
            kept.append(part)
    return b"&".join(kept), tokens


def _from_headers(head: Head, websocket: bool) -> list[str]:
    """An `Authorization` of another scheme counts as a token too, one that can't be valid."""
    tokens = []
    for value in head.all(b"authorization"):
        scheme, _, rest = value.strip().partition(b" ")
        tokens.append(rest.strip().decode("ascii", "replace") if scheme.lower() == b"bearer" else "")
    prefix = BEARER_PROTOCOL_PREFIX.encode()
    protocols = head.words(b"sec-websocket-protocol") if websocket else []
    return tokens + [p[len(prefix) :].decode("ascii", "replace") for p in protocols if p.startswith(prefix)]


def _origin_refusal(head: Head, allowed_origins: frozenset[str]) -> Refusal | None:
    origins = [value.decode("latin-1") for value in head.all(b"origin")]
    if not origins or (len(origins) == 1 and (origins[0] in allowed_origins or _same_origin(origins[0], head.all(b"host")))):
        return None
    return Refusal.BAD_ORIGIN


def _same_origin(origin: str, hosts: Iterable[bytes]) -> bool:
    """The scheme is left out: TLS may end in front of us."""
    try:
        ours = urlsplit(origin)
        default = _DEFAULT_PORTS[ours.scheme]
        theirs = [urlsplit(f"//{host.decode('ascii')}") for host in hosts]
        return origin == f"{ours.scheme}://{ours.netloc}" and [(t.hostname, t.port or default) for t in theirs] == [
            (ours.hostname, ours.port or default)
        ]
    except (ValueError, KeyError):
        return False
