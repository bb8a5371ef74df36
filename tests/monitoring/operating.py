"""The operator's registry without the rest of it, which needs an API server: its metrics as they are declared, some of them moving."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from levain.scaled.ports import free_port
from levain_operator.metrics import Metrics
from levain_operator.signs import Signs

_TURN_SECONDS = 0.2


@contextmanager
def operator_metrics() -> Iterator[int]:
    """The port that they are served at."""
    registry, signs, ended = CollectorRegistry(), Signs(), threading.Event()
    metrics = Metrics(registry, signs)
    metrics.leads(True)
    metrics.reads_from(waiting=lambda: 0, jobs=lambda: 1, schedules=lambda: 1)

    def work() -> None:
        while not ended.wait(_TURN_SECONDS):
            signs.give("watch")
            signs.give("poll")
            for kind in ("TrainingJob", "TrainingSchedule"):
                metrics.turn_ended(kind, 0.01)

    worker = threading.Thread(target=work)
    worker.start()
    server, serving = start_http_server(port := free_port(), "127.0.0.1", registry)
    try:
        yield port
    finally:
        ended.set()
        worker.join()
        server.shutdown()
        server.server_close()
        serving.join()
