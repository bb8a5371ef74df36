"""All metrics of the gateway, spoken as verbs. Nothing else here imports prometheus_client."""

import threading
from collections.abc import Iterable
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from levain_contracts.closecodes import CloseCode
from levain_gateway.refusals import Refusal

_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_OTHER = "other"
_CODES = frozenset(str(int(code)) for code in CloseCode) | {"1001", "1005", "1006", "1009", "1011"}
_FAILURES = ("connect", "timeout", "answer", "lost")


class Metrics:
    """One registry per gateway, so that several can live in one process. Every label value is there from the start."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._server: tuple[WSGIServer, threading.Thread] | None = None
        self._open = Gauge("levain_gateway_websockets_open", "Live sockets that are open now", registry=self.registry)
        self._opened = Counter("levain_gateway_websockets_opened_total", "Live sockets that were tunnelled", registry=self.registry)
        self._closed = self._labelled(
            "websockets_closed", "Tunnels that ended, by the close code that the client saw", "code", [*_CODES, _OTHER]
        )
        self._refused = self._labelled("refusals", "Requests and sockets that were refused here", "reason", [r.value for r in Refusal])
        self._handshakes = self._labelled("handshakes_failed", "Upgrades that were no WebSocket handshake", "status", ["400", "426"])
        self._upstream = self._labelled("upstream_failures", "What went wrong with the training service", "kind", _FAILURES)
        self._requests = self._labelled("http_requests", "HTTP requests answered", "status", _CLASSES)
        self._bytes = self._labelled("tunnel_bytes", "Bytes of tunnels that ended", "direction", ["down", "up"])
        self._frames = Counter("levain_gateway_tunnel_frames_total", "Frames to clients, of tunnels that ended", registry=self.registry)

    def _labelled(self, noun: str, text: str, label: str, values: Iterable[str]) -> Counter:
        counter = Counter(f"levain_gateway_{noun}_total", text, [label], registry=self.registry)
        for value in sorted(values):
            counter.labels(value)
        return counter

    def connection_opened(self) -> None:
        self._open.inc()
        self._opened.inc()

    def connection_closed(self, code: int, *, frames: int, bytes_down: int, bytes_up: int) -> None:
        """Once for each `connection_opened`, never else."""
        self._open.dec()
        self._closed.labels(str(code) if str(code) in _CODES else _OTHER).inc()
        self._frames.inc(frames)
        self._bytes.labels("down").inc(bytes_down)
        self._bytes.labels("up").inc(bytes_up)

    def refused(self, refusal: Refusal) -> None:
        self._refused.labels(refusal.value).inc()

    def handshake_failed(self, status: int) -> None:
        self._handshakes.labels(str(status)).inc()

    def upstream_failed(self, kind: str) -> None:
        """`kind`: connect, timeout, answer (no valid one) or lost (without a close frame, or amid a response)."""
        self._upstream.labels(kind).inc()

    def answered(self, status: int) -> None:
        self._requests.labels(f"{status // 100}xx" if 100 <= status < 600 else "5xx").inc()

    def serve(self, host: str, port: int) -> int:
        """Serves /metrics in a thread of its own; the port it is on. Raises OSError."""
        self._server = start_http_server(port, host, self.registry)
        return int(self._server[0].server_port)

    def stop(self) -> None:
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join(timeout=5)
            self._server = None
