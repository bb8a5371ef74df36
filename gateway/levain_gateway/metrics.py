"""All metrics of the gateway, spoken as verbs. Nothing else here imports prometheus_client."""

import threading
from collections.abc import Iterable
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from levain_contracts.closecodes import CloseCode
from levain_gateway.refusals import Refusal

_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_OTHER = "other"
_CODES = frozenset(str(int(code)) for code in CloseCode) | {"1001", "1005", "1006", "1009", "1011"}
_FAILURES = ("connect", "timeout", "answer", "lost")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One registry per gateway, so that several can live in one process. Every label value is there from the start."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._server: tuple[WSGIServer, threading.Thread] | None = None
        self._open = Gauge("levain_gateway_websockets_open", "Live sockets that are open now", registry=self.registry)
        self._opened = Counter("levain_gateway_websockets_opened_total", "Live sockets that were tunnelled", registry=self.registry)
        self._slow = Gauge(
            "levain_gateway_websockets_slow", "Live sockets whose client does not read as fast as it is sent", registry=self.registry
        )
        self._handshakes = Histogram(
            "levain_gateway_handshake_seconds",
            "From a live socket's request to its tunnel, or to its refusal",
            ["outcome"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._closed = self._labelled(
            "websockets_closed", "Tunnels that ended, by the close code that the client saw", "code", [*_CODES, _OTHER]
        )
        self._refused = self._labelled("refusals", "Requests and sockets that were refused here", "reason", [r.value for r in Refusal])
        self._no_handshakes = self._labelled("handshakes_failed", "Upgrades that were no WebSocket handshake", "status", ["400", "426"])
        self._upstream = self._labelled("upstream_failures", "What went wrong with the training service", "kind", _FAILURES)
        self._requests = self._labelled("http_requests", "HTTP requests answered", "status", _CLASSES)
        self._bytes = self._labelled("tunnel_bytes", "Bytes that went through tunnels", "direction", ["down", "up"])
        self._frames = Counter("levain_gateway_tunnel_frames_total", "Frames to clients", registry=self.registry)
        self._answers = Histogram(
            "levain_gateway_http_response_seconds",
            "From an HTTP request to the head of its answer",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._ready = Gauge("levain_gateway_upstream_ready", "1 while the training service says that it is ready", registry=self.registry)
        self._draining = Gauge(
            "levain_gateway_draining", "1 while live sockets are sent away, so that the process can end", registry=self.registry
        )
        for outcome in ("opened", "refused"):
            self._handshakes.labels(outcome)

    def _labelled(self, noun: str, text: str, label: str, values: Iterable[str]) -> Counter:
        counter = Counter(f"levain_gateway_{noun}_total", text, [label], registry=self.registry)
        for value in sorted(values):
            counter.labels(value)
        return counter

    def connection_opened(self, seconds: float) -> None:
        """`seconds`: since its request."""
        self._open.inc()
        self._opened.inc()
        self._handshakes.labels("opened").observe(seconds)

    def connection_closed(self, code: int) -> None:
        """Once for each `connection_opened`, never else."""
        self._open.dec()
        self._closed.labels(str(code) if str(code) in _CODES else _OTHER).inc()

    def tunnelled(self, *, frames: int, bytes_down: int, bytes_up: int) -> None:
        """Since it was said last."""
        self._frames.inc(frames)
        self._bytes.labels("down").inc(bytes_down)
        self._bytes.labels("up").inc(bytes_up)

    def slow_clients(self, count: int) -> None:
        self._slow.set(count)

    def refused(self, refusal: Refusal) -> None:
        self._refused.labels(refusal.value).inc()

    def connection_refused(self, refusal: Refusal, seconds: float) -> None:
        """A live socket that was accepted only to be closed, so long after its request."""
        self.refused(refusal)
        self._handshakes.labels("refused").observe(seconds)

    def handshake_failed(self, status: int) -> None:
        self._no_handshakes.labels(str(status)).inc()

    def upstream_failed(self, kind: str) -> None:
        """`kind`: connect, timeout, answer (no valid one) or lost (without a close frame, or amid a response)."""
        self._upstream.labels(kind).inc()

    def answered(self, status: int, seconds: float) -> None:
        """The head of the answer went out, so long after the request."""
        self._requests.labels(f"{status // 100}xx" if 100 <= status < 600 else "5xx").inc()
        self._answers.observe(seconds)

    def upstream_is(self, *, ready: bool) -> None:
        self._ready.set(ready)

    def drain_began(self) -> None:
        self._draining.set(1)

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
