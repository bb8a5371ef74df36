"""The view for a terminal: two live bars, overall and stage, with products a second and the time left."""

import time
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, Task, TextColumn
from rich.text import Text

from levain.formatting import counts, duration, failure_line, rate
from levain.output import printable
from levain.pace import Pace
from levain.plain import report_of
from levain_contracts.frames import Stage
from levain_contracts.viewer import ViewerState

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

_STAGE_NAMES = {Stage.STARTED: "waiting", Stage.ANALYSING: "reading the data", Stage.TRAINING: "training", Stage.DONE: "done"}


class BarsView:
    """A context manager: the bars are there while it is entered, and what is printed appears above them."""

    def __init__(self, console: "Console", *, now: "Callable[[], float]" = time.monotonic) -> None:
        self._console, self._now = console, now
        # Drawn from `beat`: a thread of its own would go on drawing while the loop is busy or gone.
        self._progress = Progress(_Label(), BarColumn(bar_width=None), _Detail(), console=console, auto_refresh=False, expand=True)
        self._overall = self._progress.add_task("overall", total=100, detail="")
        self._stage = self._progress.add_task("waiting", total=None, detail="")
        self._pace = Pace()
        self._failed: set[str] = set()
        self.reported = False

    def __enter__(self) -> "BarsView":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def heard(self, text: str, state: ViewerState) -> None:
        if not self.reported and (lines := report_of(text)):
            self.reported = True
            for line in lines:
                self._print(line)

    def beat(self, state: ViewerState) -> None:
        now = self._now()
        if state.stage is Stage.TRAINING:
            self._pace.at(now, state.products_completed)
        self._fail(state)
        self._progress.update(self._overall, completed=state.progress, detail=f"{state.progress} %")
        self._progress.update(
            self._stage,
            description="suspended" if state.suspended else _STAGE_NAMES[state.stage],
            total=state.total_products or None,
            completed=state.products_completed,
            detail=self._detail(state, now),
        )
        self._progress.refresh()

    def note(self, line: str) -> None:
        self._print(line)

    def _detail(self, state: ViewerState, now: float) -> str:
        if state.stage is not Stage.TRAINING:
            return counts(state) if state.total_products else ""
        left = self._pace.seconds_left(now, state.products_completed, state.total_products)
        eta = "" if not left else f"  {rate(self._pace.per_second(now, state.products_completed))}  ETA {duration(left)}"
        return counts(state) + eta

    def _fail(self, state: ViewerState) -> None:
        for failure in state.failures:
            if failure.product_id not in self._failed:
                self._failed.add(failure.product_id)
                self._print(f"failed: {failure_line(failure)}")

    def _print(self, line: str) -> None:
        self._console.print(Text(printable(line)))


class _Label(TextColumn):
    def __init__(self) -> None:
        super().__init__("{task.description}", markup=False)

    def render(self, task: Task) -> Text:
        return Text(f"{task.description:<16}")


class _Detail(TextColumn):
    def __init__(self) -> None:
        super().__init__("{task.fields[detail]}", markup=False)
