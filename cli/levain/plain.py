"""The view for a log file or a pipe: plain lines, one a stage, one each 5 % or 10 s, one a failure."""

import time
from collections.abc import Callable

from levain.formatting import counts, duration, failure_line, plural, rate, report_lines
from levain.pace import Pace
from levain_contracts import frames
from levain_contracts.events import MAX_FAILURES, AnalysisData
from levain_contracts.frames import FrameType, Stage
from levain_contracts.viewer import ViewerState

EVERY_PERCENT = 5
EVERY_SECONDS = 10.0

_STAGE_LINES = {Stage.STARTED: "the job has started", Stage.ANALYSING: "reading the data", Stage.TRAINING: "training"}


class PlainView:
    """Hands each line to `write`."""

    def __init__(self, write: Callable[[str], None], *, now: Callable[[], float] = time.monotonic) -> None:
        self._write, self._now = write, now
        self._stage: Stage | None = None
        self._suspended = False
        self._failed: set[str] = set()
        self._percent = 0
        self._said_at = now()
        self._pace = Pace()
        self.reported = False

    def heard(self, text: str, state: ViewerState) -> None:
        if not self.reported and (lines := report_of(text)):
            self.reported = True
            self._say(*lines)
        self._show(state)

    def beat(self, state: ViewerState) -> None:
        self._show(state)

    def note(self, line: str) -> None:
        self._say(line)

    def _show(self, state: ViewerState) -> None:
        if state.stage is not self._stage:
            self._stage = state.stage
            if line := _STAGE_LINES.get(state.stage):
                self._say(_with_total(line, state))
        if state.suspended is not self._suspended:
            self._suspended = state.suspended
            self._say("suspended" if state.suspended else "resumed")
        self._fail(state)
        if state.stage is not Stage.DONE and not state.suspended:
            self._progress(state)

    def _fail(self, state: ViewerState) -> None:
        new = [f for f in state.failures if f.product_id not in self._failed]
        for failure in new[: MAX_FAILURES - len(self._failed)]:
            self._failed.add(failure.product_id)
            self._say(f"failed: {failure_line(failure)}")

    def _progress(self, state: ViewerState) -> None:
        now = self._now()
        if state.stage is Stage.TRAINING:
            self._pace.at(now, state.products_completed)
        step = state.progress // EVERY_PERCENT > self._percent // EVERY_PERCENT
        if now - self._said_at >= EVERY_SECONDS or (step and state.stage is Stage.TRAINING):
            self._percent = state.progress
            self._say(f"{state.progress} %: {counts(state)}{_speed(self._pace, now, state)}")

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._said_at = self._now()
            self._write(line)


def report_of(text: str) -> list[str]:
    """The lines on the data, where the frame is the one that brings them."""
    frame = frames.decode(text)
    if frame is None or frame.type is not FrameType.PROGRESS:
        return []
    try:
        return report_lines(AnalysisData.model_validate(frame.data, strict=False, extra="ignore").report)
    except ValueError:
        return []


def _with_total(line: str, state: ViewerState) -> str:
    return f"{line} {plural(state.total_products, 'product')}" if state.stage is Stage.TRAINING and state.total_products else line


def _speed(pace: Pace, now: float, state: ViewerState) -> str:
    left = pace.seconds_left(now, state.products_completed, state.total_products)
    per_second = pace.per_second(now, state.products_completed)
    return "" if not left else f", {rate(per_second)}, about {duration(left)} left"
