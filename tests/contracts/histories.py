"""Consistent histories of one job, as the store would write them: the oracle for everything that viewers are told."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import strategies as st

from levain_contracts.events import (
    MAX_FAILURES,
    AnalysisData,
    CompletedData,
    Event,
    EventData,
    FailedData,
    ProductData,
    ProductFailure,
    StartedData,
)
from levain_contracts.frames import Frame, SnapshotData, Stage, frame, snapshot
from levain_contracts.jobs import JobState, verdict
from levain_contracts.progress import COMPLETED, progress
from levain_contracts.report import DataReport
from levain_contracts.viewer import ProductEnd

NOW = datetime(2024, 2, 5, 12, tzinfo=UTC)
MAX_SIMULATED_PRODUCTS = 30  # more than an event names failures


@dataclass
class SimulatedJob:
    """`frames` in order of `seq`; `snapshots[seq]` is what the store said at that number."""

    total: int
    max_failed: int | None
    state: JobState = JobState.PENDING
    stage: Stage = Stage.STARTED
    suspended: bool = False
    percent: int = 0
    seq: int = 0
    reason: str | None = None
    frames: list[Frame] = field(default_factory=list)
    snapshots: list[Frame] = field(default_factory=list)
    ends: list[tuple[int, ProductEnd]] = field(default_factory=list)
    failures: list[ProductFailure] = field(default_factory=list)

    def start(self) -> None:
        self._change(StartedData())

    def analyse(self) -> None:
        self.state, self.stage, self.percent = JobState.TRAINING, Stage.TRAINING, progress(0, self.total)
        self._change(AnalysisData(total_products=self.total, report=DataReport(format="CSV")))

    def toggle_suspended(self) -> None:
        self.suspended = not self.suspended
        self._change(None)

    def end_product(self, n: int, reason: str | None) -> None:
        status, message = ("failed", f"P {n}: {reason}") if reason else ("trained", None)
        end = ProductEnd(f"p-{n}", f"P {n}", None, status, reason, message)
        self.ends.append((self.seq + 1, end))
        if reason:
            self.failures.append(
                ProductFailure(product_id=f"p-{n}", product=f"P {n}", seq=self.seq + 1, reason=reason, message=message or "")
            )
        self.percent = max(self.percent, progress(len(self.ends), self.total))
        self._change(
            ProductData(
                product_id=f"p-{n}",
                product=f"P {n}",
                status="failed" if reason else "trained",
                reason=reason,
                message=message,
                products_completed=len(self.ends),
                products_failed=len(self.failures),
                total_products=self.total,
            )
        )
        to, why = verdict(self.total, len(self.ends), len(self.failures), self.max_failed)
        if to.terminal:
            self.end(to, why)

    def end(self, to: JobState, reason: str | None) -> None:
        total = self.total if self.stage is Stage.TRAINING else None
        self.state, self.stage, self.suspended, self.reason = to, Stage.DONE, False, reason
        good, bad, first = len(self.ends) - len(self.failures), len(self.failures), tuple(self.failures[:MAX_FAILURES])
        if reason is None:
            self.percent = COMPLETED
            self._change(CompletedData(successful=good, failed=bad, total_products=self.total, duration_seconds=1.0, failures=first))
        else:
            data = FailedData(reason=reason, message=reason, successful=good, failed=bad, total_products=total, duration_seconds=1.0)
            self._change(data.model_copy(update={"failures": first}))

    def ends_between(self, after_seq: int, seq: int) -> list[tuple[int, ProductEnd]]:
        """What a closing read answers when the job is at `seq`."""
        return [(number, end) for number, end in self.ends if after_seq < number <= seq]

    def _change(self, data: EventData | None) -> None:
        self.seq += 1
        if data is not None:
            self.frames.append(frame(Event("corner-bakery", "job-1", self.seq, NOW, self.percent, data)))
        self.snapshots.append(snapshot("corner-bakery", "job-1", self.seq, NOW, self.percent, self._row()))

    def _row(self) -> SnapshotData:
        return SnapshotData(
            state=self.state,
            stage=self.stage,
            suspended=self.suspended,
            products_completed=len(self.ends),
            products_failed=len(self.failures),
            total_products=None if self.seq == 1 or (self.stage is Stage.DONE and self.percent == 0) else self.total,
            failures=tuple(self.failures[:MAX_FAILURES]),
            reason=self.reason,
            message=self.reason,
        )


REASONS = st.sampled_from([None, None, "too_short", "worker_lost"])


@st.composite
def jobs(draw: st.DrawFn) -> SimulatedJob:
    """A job at any point of its life: waiting, in training, suspended, ended in each of the ways."""
    total = draw(st.integers(1, MAX_SIMULATED_PRODUCTS))
    job = SimulatedJob(total, draw(st.none() | st.integers(0, total)))
    job.start()
    fate = draw(st.sampled_from(["waits", "unusable_data", "trains", "trains", "trains", "trains", "cancelled"]))
    if fate == "unusable_data":
        job.end(JobState.FAILED, fate)
    if fate not in ("trains", "cancelled"):
        return job
    job.analyse()
    until = draw(st.sampled_from([total, total, total // 2]))
    for n in draw(st.permutations(range(total)))[:until]:
        if draw(st.integers(0, 5)) == 0:
            job.toggle_suspended()
        if not job.state.terminal:
            job.end_product(n, draw(REASONS))
        if job.state.terminal:
            break
    if fate == "cancelled" and not job.state.terminal:
        job.end(JobState.CANCELLED, "cancelled")
    return job
