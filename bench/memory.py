"""The embedded stack, idle after the sample was trained: proportional set size of all its processes."""

import asyncio
import subprocess
import sys
import time

import aiohttp
import psutil

from bench.report import Ratio
from bench.weighed import pss_bytes

_IDLE_SECONDS = 15.0  # children end after 10 s without work


def run(_: int) -> list[Ratio]:
    """One round: it varies by some per cent, and the bound is far."""
    return [Ratio("embedded stack, idle after a job", "MB PSS", [_one()], [], "<= 350")]


def _one() -> float:
    """Runs the stack as a process of its own, trains the sample in it and looks again when its children have ended."""
    with subprocess.Popen([sys.executable, "-m", "bench.idle_stack"], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url, token = process.stdout.readline().split()
        asyncio.run(_train(url, token))
        time.sleep(_IDLE_SECONDS)
        tree = psutil.Process(process.pid)
        total = sum(pss_bytes(p.pid) for p in [tree, *tree.children(recursive=True)])
        process.communicate("stop\n", timeout=30)
    return total / 1e6


async def _train(url: str, token: str) -> None:
    base = f"{url}/api/v1/tenants/bench/training"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        async with session.put(f"{base}/jobs/bench", json={"dataset": {"name": "sample"}}) as answer:
            assert answer.status == 202, await answer.text()
        async with session.ws_connect(f"{base}/jobs/bench/live") as socket:
            async for _ in socket:
                pass
