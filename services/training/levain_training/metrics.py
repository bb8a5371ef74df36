"""The training service's metrics, declared here and spoken as verbs. The only importer of prometheus_client in the service."""

import math
import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from levain_broker.ports import Broker, QueueState
from levain_contracts.closecodes import CloseCode
from levain_contracts.events import EventType
from levain_contracts.jobs import JobState
from levain_contracts.topics import WorkQueue
from levain_training.broker_states import BrokerStates, Declared
from levain_training.failures import JOB_CODES, OTHER, PRODUCT_CODES
from levain_training.store.work import OpenWork
from levain_training.tallies import Spread, Tally

_OUTCOMES_PUBLISHED = ("published", "lost")
_OUTCOMES_CONSUMED = ("delivered", "unwatched", "unknown_type", "unreadable")
_REFUSALS = ("unauthenticated", "forbidden", "malformed", "no_such_job", "too_many", "draining", "store_away")
_REPAIRS = ("unpublished_event", "lapsed_batch", "waiting_products", "viewer_behind", "dead_letter", "deadline", "analyst_died")
_STAGES = ("published", "received", "written")
_TRANSACTIONS = ("read", "write")
_OPEN_STATES = (JobState.PENDING.value, JobState.ANALYSING.value, JobState.TRAINING.value, "suspended")
_CODES = {int(code): str(int(code)) for code in CloseCode} | {code: str(code) for code in (1001, 1005, 1006, 1009, 1011)}
_CONSUMING = "watching events"
_UNKNOWN = "NaN while it is not known."

_LIVE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_STORE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_RECONCILE_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60)


class Metrics:
    """One instance and one registry per process. Counters exist at 0 from the start."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._declare_viewers()
        self._declare_events()
        self._declare_work()
        self._declare_upkeep()

    def _declare_viewers(self) -> None:
        r = self.registry
        self._open = Gauge("levain_training_viewers", "Open live WebSocket connections.", registry=r)
        self._slow = Gauge("levain_training_viewers_slow", "Live connections that have frames waiting behind a full buffer.", registry=r)
        self._dead = Counter("levain_training_viewers_dead_total", "Live connections dropped since no pong came in time.", registry=r)
        self._connects = Counter("levain_training_viewer_connects_total", "Live WebSocket connections accepted.", registry=r)
        self._refused = Counter("levain_training_viewer_refusals_total", "Live connections refused, by reason.", ["reason"], registry=r)
        self._closes = Counter("levain_training_viewer_closes_total", "Live connections ended, by close code.", ["code"], registry=r)
        self._handshakes = Histogram(
            "levain_training_handshake_seconds",
            "From a live connection's request to its first frames, or to its refusal.",
            ["outcome"],
            buckets=_LIVE_SECONDS,
            registry=r,
        )
        self._frames = Counter("levain_training_frames_sent_total", "Frames written to live connections.", registry=r)
        self._frame_bytes = Counter(
            "levain_training_frame_bytes_sent_total", "Bytes of the frames written to live connections.", registry=r
        )
        self._conflated = Counter("levain_training_frames_conflated_total", "Frames replaced by a newer one for slow viewers.", registry=r)
        self._dropped = Counter(
            "levain_training_frames_dropped_total",
            "Frames that a viewer never got: it was closed as too slow, or too many came before its snapshot.",
            registry=r,
        )
        self._draining = Gauge("levain_training_draining", "1 while viewers are sent away, so that the process can end.", registry=r)
        _at_zero(self._refused, _REFUSALS)
        _at_zero(self._closes, (*_CODES.values(), OTHER))
        _at_zero(self._handshakes, ("accepted", "refused"))

    def _declare_events(self) -> None:
        kinds, of_event = [kind.value for kind in EventType], ["type", "outcome"]
        published = [(kind, outcome) for kind in kinds for outcome in _OUTCOMES_PUBLISHED]
        consumed = [(kind, outcome) for kind in kinds for outcome in _OUTCOMES_CONSUMED[:2]]
        consumed += [(OTHER, outcome) for outcome in _OUTCOMES_CONSUMED[2:]]
        self._published = Tally("levain_training_events_published_total", "Events, by type and outcome.", of_event, published)
        self._consumed = Tally("levain_training_events_consumed_total", "Events, by type and outcome.", of_event, consumed)
        self._lag = Spread(
            "levain_training_event_lag_seconds",
            "From a job's step to its event: published (the broker has it), received (by a replica), written (to its viewers' sockets).",
            "stage",
            _STAGES,
            _LIVE_SECONDS,
        )
        for collector in (self._published, self._consumed, self._lag):
            self.registry.register(collector)

    def _declare_work(self) -> None:
        r = self.registry
        self._accepted = Counter("levain_training_jobs_accepted_total", "Jobs that were started.", registry=r)
        self._jobs = Counter("levain_training_jobs_ended_total", "Jobs, by terminal state.", ["state"], registry=r)
        self._failed = Counter("levain_training_job_failures_total", "Jobs that failed, by reason.", ["reason"], registry=r)
        self._products = Counter("levain_training_products_ended_total", "Products of jobs, by outcome.", ["outcome"], registry=r)
        self._product_failures = Counter(
            "levain_training_product_failures_total", "Products that failed, by reason.", ["reason"], registry=r
        )
        self._tasks = Counter("levain_training_tasks_sent_total", "Batches handed to workers.", registry=r)
        self._dead_letters = Counter(
            "levain_training_tasks_dead_lettered_total",
            "Batches that came to no end at any worker, however often they were tried.",
            registry=r,
        )
        self._results = Counter("levain_training_results_total", "Product results taken, by outcome.", ["outcome"], registry=r)
        of_queue = "Of the whole broker: each replica says the same."
        self._waiting = Gauge(
            "levain_training_queue_messages", f"Messages of a queue that wait. {of_queue} {_UNKNOWN}", ["queue"], registry=r
        )
        self._consumers = Gauge(
            "levain_training_queue_consumers",
            f"Who takes from a queue: a worker counts once a slot. {of_queue} {_UNKNOWN}",
            ["queue"],
            registry=r,
        )
        of_store = "Of the whole store: each replica says the same."
        self._open_jobs = Gauge(
            "levain_training_jobs_open", f"Jobs that have not ended, by state. {of_store} {_UNKNOWN}", ["state"], registry=r
        )
        self._open_products = Gauge(
            "levain_training_products_open",
            f"Products that wait or train, of jobs that are not suspended. {of_store} {_UNKNOWN}",
            registry=r,
        )
        self._batches_out = Gauge("levain_training_batches_out", f"Batches with workers or on their way. {of_store} {_UNKNOWN}", registry=r)
        self._batches_lapsed = Gauge(
            "levain_training_batches_lapsed",
            f"Batches out whose lease ran out: nobody has told of them for too long. {of_store} {_UNKNOWN}",
            registry=r,
        )
        _at_zero(self._jobs, ("completed", "failed", "cancelled"))
        _at_zero(self._failed, (*JOB_CODES, OTHER))
        _at_zero(self._products, ("trained", "failed"))
        _at_zero(self._product_failures, (*PRODUCT_CODES, OTHER))
        _at_zero(self._results, ("taken", "late", "unreadable"))
        for queue in WorkQueue:
            self.queue_seen(queue, None)
        self.work_seen(None)

    def _declare_upkeep(self) -> None:
        r = self.registry
        transactions = Histogram(
            "levain_training_store_transaction_seconds",
            "Transactions as their callers see them, with the wait for a connection.",
            ["kind"],
            buckets=_STORE_SECONDS,
            registry=r,
        )
        self._transactions = {kind: transactions.labels(kind) for kind in _TRANSACTIONS}
        self._store_failures = Counter(
            "levain_training_store_failures_total", "Transactions that found the store away.", ["kind"], registry=r
        )
        self._reconciles = Histogram(
            "levain_training_reconcile_seconds", "Comparisons of the store with what should be.", buckets=_RECONCILE_SECONDS, registry=r
        )
        self._repairs = Counter("levain_training_repairs_total", "What the reconcile had to mend, by kind.", ["kind"], registry=r)
        self._put_off = Counter("levain_training_repairs_put_off_total", "Repairs that failed, to be tried again.", registry=r)
        _at_zero(self._store_failures, _TRANSACTIONS)
        _at_zero(self._repairs, _REPAIRS)

    def watches(self, broker: Broker) -> None:
        """The state of its sessions is told with all else from now on. Once."""
        self.registry.register(
            BrokerStates(
                broker,
                _CONSUMING,
                up=Declared("levain_training_broker_session_up", "1 while this session with the broker works."),
                renewed=Declared(
                    "levain_training_broker_sessions_renewed_total", "Sessions with the broker that were lost and begun anew."
                ),
                consumer_up=Declared("levain_training_consumer_up", "1 while this replica hears of events; viewers see no news else."),
            )
        )

    def viewer_connected(self) -> None:
        self._open.inc()
        self._connects.inc()

    def viewer_closed(self, code: int) -> None:
        self._open.dec()
        self._closes.labels(_CODES.get(code, OTHER)).inc()

    def viewer_dead(self) -> None:
        self._dead.inc()

    def viewer_refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def viewers_behind(self, count: int) -> None:
        self._slow.set(count)

    def handshake_ended(self, outcome: str, seconds: float) -> None:
        self._handshakes.labels(outcome).observe(seconds)

    def frames_settled(self, *, sent: int, size_bytes: int, conflated: int, dropped: int) -> None:
        """Since it was said last."""
        self._frames.inc(sent)
        self._frame_bytes.inc(size_bytes)
        self._conflated.inc(conflated)
        self._dropped.inc(dropped)

    def drain_began(self) -> None:
        self._draining.set(1)

    def event_published(self, kind: EventType, happened_at: float) -> None:
        """`happened_at`: the event's time, in Unix seconds."""
        self._published.add(kind.value, "published")
        self._observe_lag("published", happened_at)

    def event_lost(self, kind: EventType) -> None:
        self._published.add(kind.value, "lost")

    def event_consumed(self, kind: EventType, outcome: str, happened_at: float) -> None:
        self._consumed.add(kind.value, outcome)
        self._observe_lag("received", happened_at)

    def event_not_understood(self, outcome: str) -> None:
        self._consumed.add(OTHER, outcome)

    def event_written(self, happened_at: float) -> None:
        self._observe_lag("written", happened_at)

    def _observe_lag(self, stage: str, happened_at: float) -> None:
        self._lag.observe(stage, max(time.time() - happened_at, 0.0))  # clocks of two machines differ

    def job_accepted(self) -> None:
        self._accepted.inc()

    def job_ended(self, kind: EventType, reason: str | None) -> None:
        state = "completed" if kind is EventType.COMPLETED else "cancelled" if reason == "cancelled" else "failed"
        self._jobs.labels(state).inc()
        if state == "failed":
            self._failed.labels(reason if reason in JOB_CODES else OTHER).inc()

    def product_ended(self, failure: str | None) -> None:
        """`failure`: its code, None where it was trained."""
        self._products.labels("trained" if failure is None else "failed").inc()
        if failure is not None:
            self._product_failures.labels(failure if failure in PRODUCT_CODES else OTHER).inc()

    def task_sent(self) -> None:
        self._tasks.inc()

    def task_dead_lettered(self) -> None:
        self._dead_letters.inc()

    def results_taken(self, taken: int, late: int) -> None:
        self._results.labels("taken").inc(taken)
        self._results.labels("late").inc(late)

    def results_unreadable(self) -> None:
        self._results.labels("unreadable").inc()

    def queue_seen(self, queue: WorkQueue, state: QueueState | None) -> None:
        """None: the broker did not say."""
        self._waiting.labels(queue.value).set(math.nan if state is None else state.waiting)
        self._consumers.labels(queue.value).set(math.nan if state is None else state.consumers)

    def work_seen(self, work: OpenWork | None) -> None:
        """None: the store did not say."""
        jobs: Mapping[str, float] = dict.fromkeys(_OPEN_STATES, math.nan) if work is None else work.jobs
        for state in _OPEN_STATES:
            self._open_jobs.labels(state).set(jobs.get(state, 0))
        self._open_products.set(math.nan if work is None else work.products)
        self._batches_out.set(math.nan if work is None else work.batches_out)
        self._batches_lapsed.set(math.nan if work is None else work.batches_lapsed)

    def transaction_ended(self, kind: str, seconds: float) -> None:
        self._transactions[kind].observe(seconds)

    def store_away(self, kind: str) -> None:
        self._store_failures.labels(kind).inc()

    def reconciled(self, seconds: float) -> None:
        self._reconciles.observe(seconds)

    def repaired(self, kind: str, count: int = 1) -> None:
        self._repairs.labels(kind).inc(count)

    def repair_put_off(self) -> None:
        self._put_off.inc()


def _at_zero(metric: Counter | Histogram, values: tuple[str, ...]) -> None:
    for value in values:
        metric.labels(value)
