"""The texts of the opening handshake (RFC 6455 §4) on both sides, and the close frame. Pure."""

import base64
import binascii
import hashlib
from http import HTTPStatus
from typing import NamedTuple

from levain_contracts.frames import PROTOCOL
from levain_gateway.head import Head, Headers, forwarded, offered_protocols

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = b"13"
_MAX_REASON_BYTES = 123  # RFC 6455 §5.5: 125 less the code


class BadAnswer(Exception):
    """What the upstream sent is no answer to a handshake; the message says why."""


class Answer(NamedTuple):
    status: int
    headers: Headers

    def one(self, name: bytes) -> bytes | None:
        """Raises `BadAnswer` when it is there twice."""
        values = [value for key, value in self.headers if key == name]
        if len(values) > 1:
            raise BadAnswer(f"{name.decode()} was sent twice")
        return values[0] if values else None


def fault(head: Head) -> bytes | None:
    """The plain HTTP answer to a request that is no WebSocket handshake at all."""
    if head.words(b"sec-websocket-version") != [_VERSION]:
        return _plain(HTTPStatus.UPGRADE_REQUIRED, b"Sec-WebSocket-Version: 13\r\n")
    if _key(head) is None or head.has_body:
        return _plain(HTTPStatus.BAD_REQUEST)
    return None


def accept(head: Head) -> bytes:
    """`Sec-WebSocket-Accept`; `fault` must have found none."""
    key = _key(head)
    assert key is not None
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def switching(head: Head, protocol: bytes | None, request_id: str) -> bytes:
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept(head),
        b"X-Request-ID: " + request_id.encode(),
    ]
    lines += [b"Sec-WebSocket-Protocol: " + protocol] if protocol is not None else []
    return b"\r\n".join(lines) + b"\r\n\r\n"


def our_protocol(head: Head) -> bytes | None:
    """What a socket is accepted with only to be closed: `levain.v1` where it was offered."""
    return PROTOCOL.encode() if PROTOCOL.encode() in offered_protocols(head) else None


def upstream_request(head: Head, query: bytes, token: str, request_id: str) -> bytes:
    """The handshake as it goes on: the client's own key, no extension, and the protocols without the token."""
    target = head.path + (b"?" + query if query else b"")
    headers = forwarded(head, token, request_id)
    headers += [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-version", _VERSION)]
    headers += [(b"sec-websocket-key", _key(head) or b"")]
    protocols = offered_protocols(head)
    headers += [(b"sec-websocket-protocol", b", ".join(protocols))] if protocols else []
    return b"GET " + target + b" HTTP/1.1\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n"


def parse_answer(text: bytes) -> Answer:
    """From the head of the answer, without the empty line. Raises `BadAnswer`."""
    first, *lines = text.split(b"\r\n")
    parts = first.split(b" ", 2)
    if len(parts) < 2 or parts[0] not in (b"HTTP/1.1", b"HTTP/1.0") or not parts[1].isdigit() or len(parts[1]) != 3:
        raise BadAnswer("it is no HTTP answer")
    pairs = [line.partition(b":") for line in lines]
    if not all(name and colon for name, colon, _ in pairs):
        raise BadAnswer("a header is malformed")
    return Answer(int(parts[1]), [(name.strip().lower(), value.strip()) for name, _, value in pairs])


def agreed_protocol(head: Head, answer: Answer) -> bytes | None:
    """The protocol that both ends speak from here. Raises `BadAnswer` unless the answer accepts this very handshake."""
    if answer.status != HTTPStatus.SWITCHING_PROTOCOLS:
        raise BadAnswer(f"its status is {answer.status}")
    if (answer.one(b"upgrade") or b"").lower() != b"websocket" or answer.one(b"sec-websocket-accept") != accept(head):
        raise BadAnswer("it does not accept this handshake")
    if answer.one(b"sec-websocket-extensions"):
        raise BadAnswer("it names an extension that was not offered")
    protocol = answer.one(b"sec-websocket-protocol")
    if protocol is not None and protocol not in offered_protocols(head):
        raise BadAnswer("it names a protocol that was not offered")
    return protocol


def close_frame(code: int, reason: str) -> bytes:
    text = reason.encode()
    if len(text) > _MAX_REASON_BYTES:
        raise ValueError("the reason of a close frame is too long")
    return bytes((0x88, len(text) + 2)) + code.to_bytes(2, "big") + text


def _key(head: Head) -> bytes | None:
    keys = head.all(b"sec-websocket-key")
    try:
        valid = len(keys) == 1 and len(base64.b64decode(keys[0].strip(), validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    return keys[0].strip() if valid else None


def _plain(status: HTTPStatus, header: bytes = b"") -> bytes:
    line = b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode())
    return line + header + b"Connection: close\r\nContent-Length: 0\r\n\r\n"
