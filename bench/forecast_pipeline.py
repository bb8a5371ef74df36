"""One process on one core: a CSV file -> reader -> store -> trainer -> store, by the service's own steps.

Prints what each took, in seconds of CPU: others may be at work. What is left out of the whole stack is what carries the steps: HTTP,
broker, pipes and the start of processes (`bench/forecast_stack.py`).
"""

import os

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.environ |= {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import gc  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from datetime import date  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TypeVar  # noqa: E402

import sqlalchemy as sa  # noqa: E402

from levain_contracts.report import DataReport  # noqa: E402
from levain_contracts.resources import DatasetRef, JobSpec  # noqa: E402
from levain_contracts.task_text import outline, splice_results  # noqa: E402
from levain_contracts.tasks import decode_results, decode_task  # noqa: E402
from levain_training.analysis_child import analyse  # noqa: E402
from levain_training.dataset_reader import Reading  # noqa: E402
from levain_training.forecasting import session  # noqa: E402
from levain_training.forecasting.registry import plan_of  # noqa: E402
from levain_training.store import analyses, batches, jobs, results  # noqa: E402
from levain_training.store.analyses import Analysis  # noqa: E402
from levain_training.store.batches import Taste  # noqa: E402
from levain_training.store.engine import make_engine, migrate  # noqa: E402

T = TypeVar("T")

MODEL, CHUNK, LEASE_SECONDS = "smoothing", 64, 600.0


class Pipeline:
    def __init__(self, url: str) -> None:
        migrate(make_engine(url))
        self._engine = make_engine(url).execution_options(levain_writes=True)
        self.seconds: dict[str, float] = dict.fromkeys(("read", "store series", "train", "store results"), 0.0)

    @contextmanager
    def _timed(self, share: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self.seconds[share] += time.process_time() - started

    def _write(self, query: Callable[[sa.Connection], T]) -> T:
        with self._engine.begin() as connection:
            return query(connection)

    def run(self, csv: Path) -> sa.RowMapping:
        plan = plan_of(MODEL)
        trainer = plan.load()
        gc.freeze()  # as the service, the worker and their children do
        with self._timed("read"):
            reading = Reading()
            analyse(json.dumps({"path": str(csv), "reading": {}, "products": None}).encode(), reading.take)
        with self._timed("store series"):
            self._store(reading)
        del reading
        while True:
            with self._timed("store series"):
                tasks = self._write(lambda c: batches.take(c, "bench", "job", Taste(True, plan.products_per_batch), 1, 1.0, LEASE_SECONDS))
            if not tasks:
                break
            with self._timed("train"):
                task = decode_task(tasks[0].body)
                done = [written.text for written in session.written_results(trainer, task, lambda _: None)]
            with self._timed("store results"):
                outlined = outline(tasks[0].body)
                for i in range(0, len(done), CHUNK):
                    body = splice_results(outlined, done[i : i + CHUNK])
                    self._write(lambda c, body=body: results.record(c, decode_results(body), 2.0, LEASE_SECONDS))  # type: ignore[misc]
        row = self._write(lambda c: jobs.find(c, "bench", "job"))
        assert row is not None
        return row

    def _store(self, reading: Reading) -> None:
        done = reading.done
        assert done is not None, reading.refused
        analysis = Analysis(
            sha256=done["sha256"],
            report=DataReport.model_validate_json(json.dumps(done["report"])),
            series=reading.series,
            calendars=reading.calendars,
            skipped=reading.skipped,
            forecast_start=date.fromisoformat(done["forecast_start"]),
        )
        spec = JobSpec(dataset=DatasetRef(name="sales"), model=MODEL)
        self._write(lambda c: jobs.create(c, "bench", "job", spec, {"dataset_name": "sales", "dataset_sha256": done["sha256"]}, 0.0))
        claimed = self._write(lambda c: analyses.claim(c, "bench", 0.0, LEASE_SECONDS))
        assert claimed is not None
        self._write(lambda c: analyses.finish(c, claimed.row, "bench", analysis, 1.0))


def main(csv: str, folder: str) -> None:
    pipeline = Pipeline(f"sqlite:///{folder}/levain.db")
    row = pipeline.run(Path(csv))
    assert (row["state"], row["products_failed"]) == ("completed", 0), dict(row)
    print(json.dumps({"products": row["total_products"], "peak_mb": _peak_mb(), "seconds": pipeline.seconds}))


def _peak_mb() -> float:
    """Of this process alone: `ru_maxrss` begins with the size of the one that started it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("the kernel does not say VmHWM")


main(*sys.argv[1:])
