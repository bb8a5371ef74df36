"""Jobs of the trainer `smoothing` through the whole embedded stack, against the same reader and trainer called directly.

- The job: from its start to the terminal frame at a viewer, against one process that reads the file and as many processes as the stack
  has workers, which train a fixed share each. What is between them is ours: HTTP, store, broker, pipes, events, the live socket.
- Its training alone: from the analysis to the end, against processes that get their series ready-made.
- Two workers against one, where each has a core of its own: through RabbitMQ and PostgreSQL, with a trainer that learns from whole
  shops and sleeps, since this machine's cores are needed for the servers.
- A child that was not there before, 20 products to their results: the CPU that it takes, imports included.
"""

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import aiohttp
import uvloop

from bench.job import direct, ok, sales, write_csv, write_tasks
from bench.report import Ratio
from bench.workers import ENVIRONMENT, job_seconds
from levain.embedded import running
from levain.scaled.stack import ScaledStack
from levain_contracts.frames import PROTOCOL
from levain_training.children import ChildPool
from levain_training.forecasting.registry import EXTRA_TRAINERS
from levain_training.forecasting.testing import ALL_TRAINERS

MODEL, DAYS, HORIZON_DAYS = "smoothing", 730, 14
PRODUCTS = [f"Product {i:04}" for i in range(2000)]
# 20 ms each: eight parts of 250 take 5 s each.
SLEEPERS = [f"Product {i:04} 0.02s" for i in range(2000)]
FEW = PRODUCTS[:20]

_READ = """
import json, sys
from levain_training.analysis_child import analyse
analyse(json.dumps({"path": sys.argv[1], "reading": {}, "products": None}).encode(), lambda message: None)
"""


class _Job(NamedTuple):
    whole_seconds: float
    training_seconds: float


def run(rounds: int) -> list[Ratio]:
    os.environ[EXTRA_TRAINERS] = ALL_TRAINERS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL's own user must get through
        return [*_against_direct(folder, rounds), _cold(folder, rounds), uvloop.run(_two_against_one(folder, rounds))]


def _against_direct(folder: Path, rounds: int) -> list[Ratio]:
    series, processes = sales(PRODUCTS, DAYS), len(os.sched_getaffinity(0))
    csv = write_csv(series, folder / "sales.csv")
    tasks = write_tasks(series, processes, folder, MODEL)
    ours, read, trained = [], [], []
    for i in range(rounds):
        read.append(_read_directly(csv))
        trained.append(direct(tasks, nice=True))
        ours.append(uvloop.run(_through_the_stack(csv, folder / f"stack-{i}")))
    whole = [a + b for a, b in zip(read, trained, strict=True)]
    return [
        Ratio(
            f"2,000 products ({MODEL}), stack / reader and trainer directly", "wall s", [job.whole_seconds for job in ours], whole, "<= 1.4"
        ),
        Ratio("its training, stack / trainer directly", "wall s", [job.training_seconds for job in ours], trained, "<= 1.4"),
    ]


def _read_directly(csv: Path) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", _READ, str(csv)], env=os.environ | {"POLARS_MAX_THREADS": "1"}, check=True)
    return time.perf_counter() - started


async def _through_the_stack(csv: Path, folder: Path) -> _Job:
    folder.mkdir()
    async with running(folder) as stack, aiohttp.ClientSession(headers={"Authorization": f"Bearer {stack.token('bench')}"}) as session:
        base = f"{stack.url}/api/v1/tenants/bench/training"
        await ok(session.post(f"{base}/datasets/sales", data=csv.open("rb")))
        started = analysed = time.perf_counter()
        await ok(session.put(f"{base}/jobs/bench", json={"dataset": {"name": "sales"}, "model": MODEL, "horizon_days": HORIZON_DAYS}))
        async with session.ws_connect(f"{base}/jobs/bench/live", protocols=[PROTOCOL]) as socket:
            async for message in socket:
                frame = message.json()
                if frame["type"] == "progress":
                    analysed = time.perf_counter()
        ended = time.perf_counter()
        assert (frame["type"], frame["data"]["successful"]) == ("completed", len(PRODUCTS)), frame
    return _Job(ended - started, ended - analysed)


def _cold(folder: Path, rounds: int) -> Ratio:
    ((task,),) = write_tasks(sales(FEW, DAYS), 1, folder, MODEL)
    seconds = [asyncio.run(_one_cold(task.read_bytes())) for _ in range(rounds)]
    return Ratio(f"cold child, {len(FEW)} products ({MODEL})", "CPU s", seconds, [], "<= 0.5")


async def _one_cold(body: bytes) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    pool = ChildPool(max_children=1)
    async with pool.lease() as child:
        results = [message async for message in child.call("train", body, silence_timeout_seconds=60)]
    await pool.close()
    assert len(results) == len(FEW)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def _two_against_one(folder: Path, rounds: int) -> Ratio:
    csv = write_csv(sales(SLEEPERS, 60), folder / "sleepers.csv")
    stack = ScaledStack(folder / "scaled", workers=2, environment=ENVIRONMENT, supervise=False)
    await stack.start()
    one, two = [], []
    try:
        for i in range(rounds):
            two.append(await job_seconds(stack, csv, f"two-{i}", "slow_shop"))
            await stack.workers[1].stop()
            one.append(await job_seconds(stack, csv, f"one-{i}", "slow_shop"))
            await stack.workers[1].start()
    finally:
        await stack.stop()
    return Ratio("2,000 products of one shop, 20 ms each, one worker / two", "wall s", one, two, ">= 1.8")
