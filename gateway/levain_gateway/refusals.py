"""Every way in which the gateway says no: one row each, for HTTP and for the live socket."""

import json
from enum import StrEnum
from typing import NamedTuple

from levain_contracts.closecodes import CloseCode


class Refusal(StrEnum):
    """The value is the `code` of the problem, the reason of the close frame and the label of the metric."""

    BAD_PATH = "bad_path"
    TWO_TOKENS = "two_tokens"
    NOT_FOUND = "not_found"
    TOKEN_MISSING = "token_missing"  # noqa: S105
    TOKEN_INVALID = "token_invalid"  # noqa: S105
    WRONG_TENANT = "wrong_tenant"
    READ_ONLY = "read_only"
    BAD_ORIGIN = "bad_origin"
    FORBIDDEN = "forbidden"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    TOO_MUCH_TOO_EARLY = "too_much_too_early"
    RESTARTING = "restarting"
    REQUEST_TIMEOUT = "request_timeout"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    UPSTREAM_TIMEOUT = "upstream_timeout"


class Row(NamedTuple):
    status: int
    close_code: CloseCode
    title: str


TABLE: dict[Refusal, Row] = {
    Refusal.BAD_PATH: Row(400, CloseCode.MALFORMED, "The path or an id in it is malformed"),
    Refusal.TWO_TOKENS: Row(400, CloseCode.MALFORMED, "More than one token was sent: send exactly one"),
    Refusal.NOT_FOUND: Row(404, CloseCode.NO_SUCH_JOB, "There is nothing at this path"),
    Refusal.TOKEN_MISSING: Row(401, CloseCode.UNAUTHENTICATED, "A token is needed"),
    Refusal.TOKEN_INVALID: Row(401, CloseCode.UNAUTHENTICATED, "The token is invalid or has expired"),
    Refusal.WRONG_TENANT: Row(403, CloseCode.FORBIDDEN, "The token is for another tenant"),
    Refusal.READ_ONLY: Row(403, CloseCode.FORBIDDEN, "The role viewer may read and watch only"),
    Refusal.BAD_ORIGIN: Row(403, CloseCode.FORBIDDEN, "This origin is not allowed"),
    Refusal.FORBIDDEN: Row(403, CloseCode.FORBIDDEN, "The training service does not allow this"),
    Refusal.TOO_MANY_CONNECTIONS: Row(429, CloseCode.TOO_MANY, "Too many connections: try again later"),
    Refusal.TOO_MUCH_TOO_EARLY: Row(400, CloseCode.MALFORMED, "Too much was sent before the handshake ended"),
    Refusal.RESTARTING: Row(503, CloseCode.RESTARTING, "The gateway is restarting"),
    Refusal.REQUEST_TIMEOUT: Row(408, CloseCode.TRY_AGAIN_LATER, "The request's body did not arrive in time"),
    Refusal.UPSTREAM_UNAVAILABLE: Row(502, CloseCode.TRY_AGAIN_LATER, "The training service can't be reached: try again later"),
    Refusal.UPSTREAM_TIMEOUT: Row(504, CloseCode.TRY_AGAIN_LATER, "The training service did not answer in time: try again later"),
}

# What the training service's own refusal, instead of a 101, becomes on an accepted socket.
OF_UPSTREAM_STATUS: dict[int, Refusal] = {
    400: Refusal.BAD_PATH,
    401: Refusal.TOKEN_INVALID,
    403: Refusal.FORBIDDEN,
    404: Refusal.NOT_FOUND,
    429: Refusal.TOO_MANY_CONNECTIONS,
}


def problem(refusal: Refusal) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body (RFC 9457) of the refusal over HTTP."""
    row = TABLE[refusal]
    body = json.dumps(
        {"type": f"urn:levain:problem:{refusal}", "title": row.title, "status": row.status, "detail": row.title, "code": refusal.value}
    ).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if row.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="levain"'))
    if row.status in (429, 503):
        headers.append((b"retry-after", b"2"))
    return row.status, headers, body
