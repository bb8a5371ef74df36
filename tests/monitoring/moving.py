"""Panels that must show something once a stack was busy: a metric that exists and that nobody speaks of stays at 0."""

from tests.monitoring.prometheus import Prometheus, Window
from tests.monitoring.shipped import boards, filled, panels

# Jobs ran, some products and a job failed, one was cancelled, viewers watched, and others were refused.
MOVED = {
    *(
        "Open sockets",
        "Viewers at the service",
        "Connects",
        "Closes, by code",
        "Refused by the service, by reason",
        "Lag, p99",
        "Lag by stage",
    ),
    *(
        "Handshake",
        "Frames sent",
        "Bytes sent",
        "Events consumed",
        "Jobs open",
        "Products waiting or training",
        "ETA",
        "Workers",
        "Slots at work",
    ),
    *(
        "Jobs, by state",
        "Jobs started and ended",
        "Failed jobs, by reason",
        "Products ended",
        "Failed products, by reason",
        "Training one product",
    ),
    *("Batches out", "Batches sent, redelivered, dead-lettered", "Store transactions", "Reconcile", "Workers that are handed batches"),
    *("Connections", "Handed out, not settled", "Consumers, by queue of work", "Messages", "Channels", "Free disk", "Requests"),
    *("Answers, by class", "Refused here, by reason", "Time to an answer", "Bytes", "Frames to clients"),
}


def unmoved(prometheus: Prometheus, window: Window) -> set[str]:
    """Those that show nothing above 0, by what they ask first."""
    shown = {
        panel["title"]
        for board in boards().values()
        for panel in panels(board)
        if any(value > 0 for value in prometheus.values(filled(panel["targets"][0]["expr"]), window))
    }
    return MOVED - shown
