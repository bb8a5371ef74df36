"""The training service's metrics, declared here and spoken as verbs. The only importer of prometheus_client in the service."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from levain_contracts.closecodes import CloseCode
from levain_contracts.events import EventType

_OUTCOMES_PUBLISHED = ("published", "lost")
_OUTCOMES_CONSUMED = ("delivered", "unwatched", "unknown_type", "unreadable")
_REFUSALS = ("unauthenticated", "forbidden", "malformed", "no_such_job", "too_many", "draining", "store_away")
_REPAIRS = ("unpublished_event", "lapsed_batch", "waiting_products", "viewer_behind", "dead_letter", "deadline", "analyst_died")


class Metrics:
    """One instance and one registry per process. Counters exist at 0 from the start."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = r = registry or CollectorRegistry()
        self._open = Gauge("levain_training_viewers", "Open live WebSocket connections.", registry=r)
        self._connects = Counter("levain_training_viewer_connects_total", "Live WebSocket connections accepted.", registry=r)
        self._refused = Counter("levain_training_viewer_refusals_total", "Live connections refused, by reason.", ["reason"], registry=r)
        self._closes = Counter("levain_training_viewer_closes_total", "Live connections ended, by close code.", ["code"], registry=r)
        self._frames = Counter("levain_training_frames_sent_total", "Frames written to live connections.", registry=r)
        self._frame_bytes = Counter("levain_training_frame_bytes_sent_total", "Bytes of these frames.", registry=r)
        self._conflated = Counter("levain_training_frames_conflated_total", "Frames replaced by a newer one for slow viewers.", registry=r)
        self._published = Counter("levain_training_events_published_total", "Events, by type and outcome.", ["type", "outcome"], registry=r)
        self._consumed = Counter("levain_training_events_consumed_total", "Events, by type and outcome.", ["type", "outcome"], registry=r)
        self._jobs = Counter("levain_training_jobs_ended_total", "Jobs, by terminal state.", ["state"], registry=r)
        self._tasks = Counter("levain_training_tasks_sent_total", "Batches handed to workers.", registry=r)
        self._results = Counter("levain_training_results_total", "Product results taken, by outcome.", ["outcome"], registry=r)
        self._repairs = Counter("levain_training_repairs_total", "What the reconcile had to mend, by kind.", ["kind"], registry=r)
        self._start_at_zero()

    def _start_at_zero(self) -> None:
        for kind in EventType:
            for outcome in _OUTCOMES_PUBLISHED:
                self._published.labels(kind.value, outcome)
            for outcome in _OUTCOMES_CONSUMED[:2]:
                self._consumed.labels(kind.value, outcome)
        for outcome in _OUTCOMES_CONSUMED[2:]:
            self._consumed.labels("other", outcome)
        for code in CloseCode:
            self._closes.labels(str(code.value))
        self._closes.labels("1006")
        for counter, values in (
            (self._refused, _REFUSALS),
            (self._jobs, ("completed", "failed", "cancelled")),
            (self._results, ("taken", "late", "unreadable")),
            (self._repairs, _REPAIRS),
        ):
            for value in values:
                counter.labels(value)

    def viewer_connected(self) -> None:
        self._open.inc()
        self._connects.inc()

    def viewer_closed(self, code: int) -> None:
        self._open.dec()
        self._closes.labels(str(code)).inc()

    def viewer_refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def frames_sent(self, frames: int, size_bytes: int) -> None:
        self._frames.inc(frames)
        self._frame_bytes.inc(size_bytes)

    def frames_conflated(self, frames: int) -> None:
        self._conflated.inc(frames)

    def event_published(self, kind: EventType, outcome: str) -> None:
        self._published.labels(kind.value, outcome).inc()

    def event_consumed(self, kind: str, outcome: str) -> None:
        self._consumed.labels(kind, outcome).inc()

    def job_ended(self, kind: EventType, reason: str | None) -> None:
        state = "completed" if kind is EventType.COMPLETED else "cancelled" if reason == "cancelled" else "failed"
        self._jobs.labels(state).inc()

    def task_sent(self) -> None:
        self._tasks.inc()

    def results_taken(self, taken: int, late: int) -> None:
        self._results.labels("taken").inc(taken)
        self._results.labels("late").inc(late)

    def results_unreadable(self) -> None:
        self._results.labels("unreadable").inc()

    def repaired(self, kind: str, count: int = 1) -> None:
        self._repairs.labels(kind).inc(count)
