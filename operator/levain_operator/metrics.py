"""The operator's metrics, declared here and spoken as verbs. The only importer of prometheus_client in the operator."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from levain_operator.signs import Signs

_KINDS = ("TrainingJob", "TrainingSchedule")
_CALLS = ("AskJob", "PutJob", "SuspendJob", "ResumeJob", "CancelJob")
_REPAIRS = ("orphan", "unlisted", "deletion_not_seen", "change_not_seen")
_AGES = {
    "watch": (
        "levain_operator_watch_age_seconds",
        "Since the watch last showed something, or a comparison found that it had missed nothing.",
    ),
    "poll": ("levain_operator_poll_age_seconds", "Since the training service last told what changed."),
}


class Metrics:
    """Counters exist at 0 from the start."""

    def __init__(self, registry: CollectorRegistry, signs: Signs) -> None:
        r = registry
        self._reconciles = Counter(
            "levain_operator_reconciles_total", "Plans carried out, by kind and outcome.", ["kind", "outcome"], registry=r
        )
        self._writes = Counter("levain_operator_status_writes_total", "Status writes, by outcome.", ["outcome"], registry=r)
        self._events = Counter("levain_operator_events_total", "Kubernetes events, by outcome.", ["outcome"], registry=r)
        self._calls = Counter(
            "levain_operator_service_calls_total", "Calls of the training service, by status.", ["call", "status"], registry=r
        )
        self._api = Histogram("levain_operator_api_call_seconds", "Calls of the API server.", ["verb", "resource"], registry=r)
        self._api_errors = Counter(
            "levain_operator_api_errors_total", "Calls of the API server that failed, by status.", ["status"], registry=r
        )
        self._polls = Counter("levain_operator_polls_total", "Walks through what changed at the training service.", ["outcome"], registry=r)
        self._comparisons = Counter(
            "levain_operator_comparisons_total", "Comparisons of everything with everything.", ["outcome"], registry=r
        )
        self._repairs = Counter("levain_operator_repairs_total", "What a comparison had to mend, by kind.", ["kind"], registry=r)
        self._leading = Gauge("levain_operator_leading", "1 while this process leads.", registry=r)
        self._written = {"made": 0, "merged": 0, "refused": 0}
        registry.register(_Ages(signs))
        self._start_at_zero()

    def _start_at_zero(self) -> None:
        for kind in _KINDS:
            self._reconciles.labels(kind, "done")
        self._reconciles.labels("TrainingSchedule", "failed")
        self._reconciles.labels("unknown", "error")
        for call in _CALLS:
            self._calls.labels(call, "200")
        self._api_errors.labels("0")
        for counter, values in (
            (self._writes, tuple(self._written)),
            (self._events, ("written", "dropped")),
            (self._polls, ("done", "failed")),
            (self._comparisons, ("done", "failed")),
            (self._repairs, _REPAIRS),
        ):
            for value in values:
                counter.labels(value)

    def reconciled(self, kind: str, outcome: str) -> None:
        self._reconciles.labels(kind, outcome).inc()

    def status_writes(self, *, made: int, merged: int, refused: int) -> None:
        """Totals so far."""
        for outcome, total in (("made", made), ("merged", merged), ("refused", refused)):
            self._writes.labels(outcome).inc(total - self._written[outcome])
            self._written[outcome] = total

    def event(self, outcome: str) -> None:
        self._events.labels(outcome).inc()

    def service_call(self, kind: str, status: int) -> None:
        self._calls.labels(kind, str(status)).inc()

    def api_call(self, verb: str, resource: str, status: int, seconds: float) -> None:
        self._api.labels(verb, resource).observe(seconds)
        if not 200 <= status < 300:
            self._api_errors.labels(str(status)).inc()

    def polled(self, outcome: str) -> None:
        self._polls.labels(outcome).inc()

    def compared(self, outcome: str) -> None:
        self._comparisons.labels(outcome).inc()

    def repaired(self, kind: str) -> None:
        self._repairs.labels(kind).inc()

    def leads(self, leading: bool) -> None:
        self._leading.set(1 if leading else 0)


class _Ages(Collector):
    """Read when they are asked for: who is stuck writes no gauge."""

    def __init__(self, signs: Signs) -> None:
        self._signs = signs

    def collect(self) -> "list[GaugeMetricFamily]":
        ages = self._signs.ages()
        return [GaugeMetricFamily(name, text, value=ages.get(loop, 0.0)) for loop, (name, text) in _AGES.items()]
