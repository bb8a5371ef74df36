"""A job of 200 products through the whole embedded stack, against the same trainer called directly in as many processes.

The peer gets its series ready-made: reading the file, the store, the broker, the gateway and a live viewer are all overhead.
"""

import datetime
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from bench.report import Ratio
from levain.embedded import running
from levain_contracts.frames import PROTOCOL
from levain_contracts.ids import product_id
from levain_contracts.tasks import MAX_BATCH_PRODUCTS, Series, TrainingTask, encode
from levain_training.child import be_nice

PRODUCTS, DAYS, HORIZON_DAYS = 200, 730, 14
START = datetime.date(2023, 1, 2)
MODEL = "ets"

_PEER = """
import sys
from functools import partial
from pathlib import Path
from typing import Any
from levain_contracts.tasks import decode_task
from levain_training.forecasting.registry import plan_of
for path in sys.argv[1:]:
    task = decode_task(Path(path).read_bytes())
    done = sum(1 for _ in plan_of(task.model).load().train(task, lambda _: None))
    assert done == len(task.series), done
"""


def sales(names: Sequence[str], days: int) -> dict[str, list[float]]:
    """Seeded: a weekly season, a yearly wave and noise."""
    noise = random.Random(7)
    week = [0.7, 0.8, 0.9, 1.0, 1.3, 1.8, 1.1]
    series = {}
    for name in names:
        level = 5 + 95 * noise.random()
        means = [level * week[d % 7] * (1 + 0.2 * math.sin(d / 58)) for d in range(days)]
        series[name] = [float(max(0, round(noise.gauss(m, math.sqrt(m) + 1)))) for m in means]
    return series


def run(rounds: int) -> list[Ratio]:
    series, processes = sales([f"Product {i:03}" for i in range(PRODUCTS)], DAYS), len(os.sched_getaffinity(0))
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        csv = write_csv(series, folder / "sales.csv")
        tasks = write_tasks(series, processes, folder, MODEL)
        for i in range(rounds):
            theirs.append(direct(tasks))
            ours.append(uvloop.run(_stack(csv, folder / f"stack-{i}")))
    return [Ratio(f"job of {PRODUCTS} products ({MODEL}), stack / direct", "wall s", ours, theirs, "<= 1.25")]


def write_csv(series: dict[str, list[float]], path: Path) -> Path:
    lines = [f"{START + datetime.timedelta(days=d)},{p},{x:g}" for p, v in series.items() for d, x in enumerate(v)]
    path.write_text("date,product,quantity\n" + "\n".join(lines) + "\n")
    return path


def write_tasks(series: dict[str, list[float]], processes: int, folder: Path, model: str) -> list[list[Path]]:
    """Each process's share, in tasks of the largest size."""
    ready = [Series(product_id=product_id(None, p), product=p, start=START, values=list(v)) for p, v in series.items()]
    shares = []
    for i in range(processes):
        mine = ready[i::processes]
        parts = [mine[j : j + MAX_BATCH_PRODUCTS] for j in range(0, len(mine), MAX_BATCH_PRODUCTS)]
        shares.append([_write_task(part, model, folder / f"task-{i}-{j}.json") for j, part in enumerate(parts)])
    return shares


def _write_task(series: list[Series], model: str, path: Path) -> Path:
    task = TrainingTask(
        tenant_id="bench",
        job_id="bench",
        batch=1,
        model=model,
        horizon_days=HORIZON_DAYS,
        dataset_sha256="0" * 64,
        forecast_start=START + datetime.timedelta(days=len(series[0].values)),
        series=series,
    )
    path.write_bytes(encode(task))
    return path


def direct(shares: list[list[Path]], *, nice: bool = False) -> float:
    """Seconds, with a process for each share. `nice`: with the stack's own children's share of a machine that others use too."""
    started = time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    options: dict[str, Any] = {"env": environment, "start_new_session": nice, "preexec_fn": partial(be_nice, 5) if nice else None}
    running_ = [subprocess.Popen([sys.executable, "-c", _PEER, *map(str, share)], **options) for share in shares]
    assert all(process.wait() == 0 for process in running_)
    return time.perf_counter() - started


async def _stack(csv: Path, folder: Path) -> float:
    folder.mkdir()
    async with running(folder) as stack, aiohttp.ClientSession(headers={"Authorization": f"Bearer {stack.token('bench')}"}) as session:
        base = f"{stack.url}/api/v1/tenants/bench/training"
        started = time.perf_counter()
        await ok(session.post(f"{base}/datasets/sales", data=csv.open("rb")))
        await ok(session.put(f"{base}/jobs/bench", json={"dataset": {"name": "sales"}, "model": MODEL, "horizon_days": HORIZON_DAYS}))
        async with session.ws_connect(f"{base}/jobs/bench/live", protocols=[PROTOCOL]) as socket:
            last = [json.loads(message.data) async for message in socket][-1]
        assert (last["type"], last["data"]["successful"]) == ("completed", PRODUCTS), last
        return time.perf_counter() - started


async def ok(request: "aiohttp.client._RequestContextManager") -> None:
    async with request as answer:
        assert answer.status < 300, await answer.text()
