"""A request's head as it came in, and the headers that go on to the training service. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from levain_contracts.frames import BEARER_PROTOCOL_PREFIX
from levain_contracts.ids import new_request_id, request_id_of

Headers = list[tuple[bytes, bytes]]
_HOP_BY_HOP = frozenset(
    # RFC 9110 §7.6.1, and what RFC 9113 §8.2.2 adds; `expect` ends here because uvicorn answers it itself
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding "
    b"upgrade http2-settings expect".split()
)
_OURS_TO_SAY = frozenset((b"authorization", b"forwarded", b"host", b"x-real-ip", b"x-request-id"))


class Head(NamedTuple):
    """Header names are in lower case, `path` and `query` as they were sent."""

    method: str
    path: bytes
    query: bytes
    headers: Headers
    peer: str = ""

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]

    def words(self, name: bytes) -> list[bytes]:
        """The members of a header that is a list, over all its lines."""
        return [word.strip() for value in self.all(name) for word in value.split(b",") if word.strip()]

    @property
    def wants_websocket(self) -> bool:
        upgrades = {word.lower() for word in self.words(b"upgrade")}
        return self.method == "GET" and b"websocket" in upgrades and b"upgrade" in {w.lower() for w in self.words(b"connection")}

    @property
    def has_body(self) -> bool:
        lengths = self.all(b"content-length")
        return bool(self.all(b"transfer-encoding")) or (bool(lengths) and lengths[0].strip() != b"0")


def request_id(head: Head, make: Callable[[], str] = new_request_id) -> str:
    return request_id_of(head.all(b"x-request-id"), make)


def forwarded(head: Head, token: str | None, request_id: str) -> Headers:
    """Everything that is meant for the other end; the token as `Authorization`; who asked, as we saw it."""
    host = head.all(b"host")
    # RFC 9112 §6.3: beside a Transfer-Encoding a Content-Length means nothing, and must not go on
    dropped = _OURS_TO_SAY | {b"content-length"} if head.all(b"transfer-encoding") else _OURS_TO_SAY
    out = end_to_end(head.headers, lambda name: name in dropped or name.startswith((b"x-forwarded-", b"sec-websocket-")))
    out += [(b"host", host[0])] if host else []
    out += [(b"authorization", b"Bearer " + token.encode())] if token is not None else []
    out += [(b"x-request-id", request_id.encode()), (b"x-forwarded-for", head.peer.encode()), (b"x-forwarded-proto", b"http")]
    out += [(b"x-forwarded-host", host[0])] if host else []
    return out


def end_to_end(headers: Headers, dropped: Callable[[bytes], bool] = lambda name: False) -> Headers:
    """Without hop-by-hop headers and those that `Connection` names."""
    named = {word.strip().lower() for name, value in headers if name == b"connection" for word in value.split(b",")}
    return [(name, value) for name, value in headers if name not in _HOP_BY_HOP and name not in named and not dropped(name)]


def offered_protocols(head: Head) -> list[bytes]:
    """Those that may go on: the one that carries the token stays here."""
    return [p for p in head.words(b"sec-websocket-protocol") if not p.startswith(BEARER_PROTOCOL_PREFIX.encode())]
