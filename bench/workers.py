"""Jobs on worker processes, through RabbitMQ and PostgreSQL: what a second worker brings, and what all of it costs over the bare trainer.

The trainer sleeps: on a cluster each worker has a core of its own, and this machine's are needed for the servers.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from bench.job import direct, ok, sales, write_csv, write_tasks
from bench.report import Ratio
from levain.scaled.stack import ScaledStack
from levain_contracts.frames import PROTOCOL
from levain_training.forecasting.registry import EXTRA_TRAINERS
from levain_training.forecasting.testing import ALL_TRAINERS

DAYS, MODEL = 120, "slow"
WORKERS = 2
FEW_SLOW = [f"Product {i:02} 0.3s" for i in range(60)]
MANY_FAST = [f"Product {i:04} 0.02s" for i in range(2000)]
ENVIRONMENT = {"worker": {"LEVAIN_WORKER_SLOTS": "1"}}


def run(rounds: int) -> list[Ratio]:
    os.environ[EXTRA_TRAINERS] = ALL_TRAINERS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL's own user must get through
        return uvloop.run(_run(folder, rounds))


async def _run(folder: Path, rounds: int) -> list[Ratio]:
    few = write_csv(sales(FEW_SLOW, DAYS), folder / "few.csv")
    many = write_csv(sales(MANY_FAST, DAYS), folder / "many.csv")
    tasks = write_tasks(sales(MANY_FAST, DAYS), WORKERS, folder, MODEL)
    stack = ScaledStack(folder / "stack", workers=WORKERS, environment=ENVIRONMENT, supervise=False)
    await stack.start()
    one, two, whole, bare = [], [], [], []
    try:
        for i in range(rounds):
            two.append(await job_seconds(stack, few, f"two-{i}"))
            whole.append(await job_seconds(stack, many, f"many-{i}"))
            bare.append(direct(tasks))
            await stack.workers[1].stop()
            one.append(await job_seconds(stack, few, f"one-{i}"))
            await stack.workers[1].start()
    finally:
        await stack.stop()
    return [
        Ratio("60 products of 0.3 s, one worker / two", "wall s", one, two, ">= 1.8"),
        Ratio("2,000 products of 20 ms, two workers / direct", "wall s", whole, bare, "<= 1.3"),
    ]


async def job_seconds(stack: ScaledStack, csv: Path, job_id: str, model: str = MODEL) -> float:
    """Seconds from the start of the job to its terminal frame at a viewer."""
    headers = {"Authorization": f"Bearer {stack.token('bench')}"}
    base = f"{stack.url}/api/v1/tenants/bench/training"
    async with aiohttp.ClientSession(headers=headers) as session:
        with csv.open("rb") as file:
            await ok(session.post(f"{base}/datasets/{csv.stem}", data=file))
        started = time.perf_counter()
        await ok(session.put(f"{base}/jobs/{job_id}", json={"dataset": {"name": csv.stem}, "model": model}))
        async with session.ws_connect(f"{base}/jobs/{job_id}/live", protocols=[PROTOCOL]) as socket:
            last: dict[str, Any] = [message.json() async for message in socket][-1]
        assert last["type"] == "completed", last
        return time.perf_counter() - started
