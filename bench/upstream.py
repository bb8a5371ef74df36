"""What stands behind a gateway in a benchmark: it accepts every live socket, greets it, and sends what it is told to all of them."""

import base64
import hashlib
import re
import socket
import threading
from typing import Self

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_KEY = re.compile(rb"(?i)\r\nsec-websocket-key: *([^\r\n]+)")
_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
_READY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_HEAD_SECONDS = 10.0


class Upstream:
    """Connections are accepted by a thread, one after the other; `send_all` belongs to the caller's. Frames come encoded."""

    def __init__(self, greeting: bytes) -> None:
        self._greeting = greeting
        self._viewers: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._accepting = threading.Thread(target=self._accept)
        self.port = int(self._listening.getsockname()[1])

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._accepting.join()
        self._listening.close()

    def send_all(self, frame: bytes) -> None:
        for viewer in self._viewers:
            viewer.sendall(frame)

    def hang_up(self) -> None:
        for viewer in self._viewers:
            viewer.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listening.accept()
            except OSError:
                return
            self._greet(peer)

    def _greet(self, peer: socket.socket) -> None:
        peer.settimeout(_HEAD_SECONDS)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while b"\r\n\r\n" not in head:
            head += peer.recv(65_536)
        key = _KEY.search(head)
        if key is None:  # a gateway asks whether we are ready
            peer.sendall(_READY)
            peer.close()
            return
        accept = base64.b64encode(hashlib.sha1(key[1].strip() + _GUID, usedforsecurity=False).digest())
        self._viewers.append(peer)  # before the greeting: whoever has it counts on the next frame
        peer.sendall(_SWITCHING % accept + self._greeting)
