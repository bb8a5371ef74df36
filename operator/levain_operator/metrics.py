"""The operator's metrics, declared here and spoken as verbs. The only importer of prometheus_client in the operator."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from levain_operator.signs import Signs

_KINDS = ("TrainingJob", "TrainingSchedule")
_CALLS = ("AskJob", "PutJob", "SuspendJob", "ResumeJob", "CancelJob")
_API_CALLS = (
    ("GET", "namespaces"),
    ("GET", "trainingjobs"),
    ("POST", "trainingjobs"),
    ("DELETE", "trainingjobs"),
    ("PATCH", "trainingjobs/status"),
    ("GET", "trainingschedules"),
    ("PATCH", "trainingschedules/status"),
    ("POST", "events"),
)
_RECONCILE_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30)
_COMPARE_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60)
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
        self._reconcile_seconds = Histogram(
            "levain_operator_reconcile_seconds",
            "From a resource's turn to the end of its plan, by kind.",
            ["kind"],
            buckets=_RECONCILE_SECONDS,
            registry=r,
        )
        self._waiting = Gauge("levain_operator_resources_waiting", "Resources whose turn has come, or that are at work.", registry=r)
        self._resources = Gauge("levain_operator_resources", "Resources that are known, by kind.", ["kind"], registry=r)
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
        self._compare_seconds = Histogram(
            "levain_operator_compare_seconds", "Comparisons of everything with everything.", buckets=_COMPARE_SECONDS, registry=r
        )
        self._repairs = Counter("levain_operator_repairs_total", "What a comparison had to mend, by kind.", ["kind"], registry=r)
        self._leading = Gauge("levain_operator_leading", "1 while this process leads.", registry=r)
        self._written = {"made": 0, "merged": 0, "refused": 0}
        registry.register(_Ages(signs))
        self._start_at_zero()

    def _start_at_zero(self) -> None:
        for kind in _KINDS:
            self._reconciles.labels(kind, "done")
            self._reconcile_seconds.labels(kind)
            self._resources.labels(kind)
        self._reconciles.labels("TrainingSchedule", "failed")
        self._reconciles.labels("unknown", "error")
        for call in _CALLS:
            self._calls.labels(call, "200")
        for verb, resource in _API_CALLS:
            self._api.labels(verb, resource)
        for status in ("0", "403", "404", "409", "429", "500", "503"):
            self._api_errors.labels(status)
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

    def turn_ended(self, kind: str, seconds: float) -> None:
        self._reconcile_seconds.labels(kind).observe(seconds)

    def reads_from(self, *, waiting: Callable[[], int], jobs: Callable[[], int], schedules: Callable[[], int]) -> None:
        """How many there are, asked at each scrape."""
        self._waiting.set_function(waiting)
        self._resources.labels("TrainingJob").set_function(jobs)
        self._resources.labels("TrainingSchedule").set_function(schedules)

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

    def compared(self, outcome: str, seconds: float) -> None:
        self._comparisons.labels(outcome).inc()
        self._compare_seconds.observe(seconds)

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
