"""A viewer's state is a join: frames may come twice, late, in any order, or not at all, and a closing read heals the rest.

The same reducer exists in every client; `tests/contracts/viewer_cases.json` is the table that all of them pass.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from levain_contracts.events import MAX_FAILURES
from levain_contracts.frames import Frame, FrameType, Stage
from levain_contracts.jobs import JobState
from levain_contracts.persistent import Growing, Ranges, with_number

_STAGES = list(Stage)


@dataclass(frozen=True)
class ProductEnd:
    product_id: str
    product: str
    shop: str | None
    status: str
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class Failure:
    seq: int
    product_id: str
    product: str
    shop: str | None
    reason: str
    message: str


@dataclass(frozen=True)
class ViewerState:
    """`closed_seq`: every event up to it is known. `seen`: ranges of numbers above it that are known too."""

    stage: Stage = Stage.STARTED
    state: JobState | None = None
    progress: int = 0
    products_completed: int = 0
    products_failed: int = 0
    total_products: int | None = None
    failures: tuple[Failure, ...] = ()
    products: Growing[ProductEnd] = field(default_factory=Growing)
    suspended: bool = False
    suspended_seq: int = -1
    reason: str | None = None
    message: str | None = None
    latest_seq: int = 0
    closed_seq: int = 0
    seen: Ranges = ()

    @property
    def ended(self) -> bool:
        return self.state is not None and self.state.terminal

    @property
    def gap(self) -> bool:
        """True where an event below the newest is missing: close it by one read of `products?after_seq=closed_seq`."""
        return self.latest_seq > self.closed_seq


def apply(state: ViewerState, frame: Frame) -> ViewerState:
    """The join of `state` and one frame: commutative, associative, idempotent."""
    joined = _STEPS[frame.type](state, frame)
    joined = replace(joined, progress=max(joined.progress, frame.progress), latest_seq=max(joined.latest_seq, frame.seq))
    return joined if frame.type is FrameType.SNAPSHOT else _see(joined, frame.seq)


def close_gap(state: ViewerState, seq: int, products: Iterable[tuple[int, ProductEnd]]) -> ViewerState:
    """Joins the answer of a closing read: all ends after `closed_seq` up to the job's `seq`, each with its own number."""
    for number, end in products:
        state = _end(state, number, end)
    closed = max(state.closed_seq, seq)
    return _advance(replace(state, closed_seq=closed, latest_seq=max(state.latest_seq, seq)))


def same_for_viewers(a: ViewerState, b: ViewerState) -> bool:
    """Equal as DESIGN §2 means it: stage, progress, counters, failures and the ends of all products."""
    return _visible(a) == _visible(b)


def _visible(s: ViewerState) -> tuple[Any, ...]:
    return (s.stage, s.state, s.progress, s.products_completed, s.products_failed, s.total_products, s.failures, dict(s.products), s.reason)


def _snapshot(state: ViewerState, frame: Frame) -> ViewerState:
    data: dict[str, Any] = frame.data
    newer = frame.seq > state.suspended_seq and not state.ended
    state = replace(
        state,
        suspended=bool(data["suspended"]) if newer else state.suspended,
        suspended_seq=max(state.suspended_seq, frame.seq),
        stage=_furthest(state.stage, Stage(data["stage"])),
    )
    state = _count(state, data)
    state = _fail(state, data.get("failures") or ())
    job_state = JobState(data["state"])
    return _end_job(state, job_state, data) if job_state.terminal else state


def _started(state: ViewerState, frame: Frame) -> ViewerState:
    return _count(state, frame.data)


def _analysed(state: ViewerState, frame: Frame) -> ViewerState:
    return _count(replace(state, stage=_furthest(state.stage, Stage.TRAINING)), frame.data)


def _product(state: ViewerState, frame: Frame) -> ViewerState:
    d: dict[str, Any] = frame.data
    state = _count(replace(state, stage=_furthest(state.stage, Stage.TRAINING)), d)
    end = ProductEnd(d["product_id"], d["product"], d.get("shop"), d["status"], d.get("reason"), d.get("message"))
    return _end(state, frame.seq, end)


def _completed(state: ViewerState, frame: Frame) -> ViewerState:
    return _end_job(state, JobState.COMPLETED, frame.data)


def _failed(state: ViewerState, frame: Frame) -> ViewerState:
    return _end_job(state, JobState.CANCELLED if frame.data["reason"] == "cancelled" else JobState.FAILED, frame.data)


_STEPS = {
    FrameType.SNAPSHOT: _snapshot,
    FrameType.STARTED: _started,
    FrameType.PROGRESS: _analysed,
    FrameType.PRODUCT_COMPLETED: _product,
    FrameType.COMPLETED: _completed,
    FrameType.FAILED: _failed,
}


def _furthest(a: Stage, b: Stage) -> Stage:
    return max(a, b, key=_STAGES.index)


def _count(state: ViewerState, data: Mapping[str, Any]) -> ViewerState:
    failed = data.get("products_failed", data.get("failed")) or 0
    completed = data.get("products_completed")
    if completed is None:
        completed = (data.get("successful") or 0) + (data.get("failed") or 0)
    total = data.get("total_products")
    return replace(
        state,
        products_completed=max(state.products_completed, completed),
        products_failed=max(state.products_failed, failed),
        total_products=state.total_products if total is None else max(state.total_products or 0, total),
    )


def _end(state: ViewerState, seq: int, end: ProductEnd) -> ViewerState:
    if end.product_id in state.products:
        return state
    state = replace(state, products=state.products.plus(end.product_id, end))
    if end.status != "failed":
        return state
    failure = {"seq": seq, "product_id": end.product_id, "product": end.product, "shop": end.shop, "reason": end.reason or "unknown"}
    return _fail(state, [{**failure, "message": end.message or ""}])


def _fail(state: ViewerState, failures: Iterable[Any]) -> ViewerState:
    """Keeps the first failures by number: the smallest of a union are the same in whatever order it was made."""
    known = {f.product_id: f for f in state.failures}
    for f in failures:
        failure = Failure(f["seq"], f["product_id"], f["product"], f.get("shop"), f["reason"], f.get("message") or "")
        known[failure.product_id] = min(failure, known.get(failure.product_id, failure), key=_first)
    return replace(state, failures=tuple(sorted(known.values(), key=_first)[:MAX_FAILURES]))


def _first(failure: Failure) -> tuple[int, str]:
    return failure.seq, failure.product_id


def _end_job(state: ViewerState, to: JobState, data: Mapping[str, Any]) -> ViewerState:
    state = _fail(_count(state, data), data.get("failures") or ())
    reason, message = data.get("reason") or state.reason, data.get("message") or state.message
    return replace(state, stage=Stage.DONE, state=to, suspended=False, reason=reason, message=message)


def _see(state: ViewerState, seq: int) -> ViewerState:
    return state if seq <= state.closed_seq else _advance(replace(state, seen=with_number(state.seen, seq)))


def _advance(state: ViewerState) -> ViewerState:
    closed, seen = state.closed_seq, state.seen
    while seen and seen[0][0] <= closed + 1:
        closed, seen = max(closed, seen[0][1]), seen[1:]
    return replace(state, closed_seq=closed, seen=seen)
