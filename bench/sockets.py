"""A viewer's live socket at its barest: the handshake by hand, then bytes. A library would cost more than what is measured."""

import socket
from typing import NamedTuple

# What a browser sends along: it is the size of a usual request that an idle viewer's memory must not hold.
_HEAD = (
    "GET {path} HTTP/1.1\r\n"
    "Host: 127.0.0.1:{port}\r\n"
    "Connection: Upgrade\r\n"
    "Pragma: no-cache\r\n"
    "Cache-Control: no-cache\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n"
    "Upgrade: websocket\r\n"
    "Origin: http://127.0.0.1:{port}\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    "Authorization: Bearer {token}\r\n\r\n"
)
_ANSWER_SECONDS = 30.0


class Target(NamedTuple):
    """`first`: what the first frame of every viewer holds."""

    port: int
    path: str
    token: str
    first: str


def connect(target: Target) -> socket.socket:
    """Open and past its first frame; it does not block."""
    one = socket.create_connection(("127.0.0.1", target.port), timeout=_ANSWER_SECONDS)
    one.sendall(_HEAD.format(path=target.path, port=target.port, token=target.token).encode())
    answer = b""
    while target.first.encode() not in answer:
        received = one.recv(65_536)
        assert received, answer
        answer += received
    one.setblocking(False)
    return one
