"""What a stack lives through before its metrics are looked at: some of everything that a panel shows."""

import asyncio
from collections.abc import Callable

from tests.e2e.processes import Processes
from tests.training.harness import Client, sales_csv

# Each a job of some two seconds. Gauges are looked at now and then, so that a short life may pass unseen: it goes on until it was.
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 20


async def be_busy(whole: Processes, seen: Callable[[], bool]) -> None:
    client = whole.client()
    await client.upload(sales_csv([*(f"Brot {i} 0.1s" for i in range(24)), "bad bread"]))
    await _failed(client)
    await _cancelled(client)
    for number in range(_MOST_ROUNDS):
        await asyncio.gather(_trained(client, f"job-{number}"), _refused(whole), _in_vain(whole))
        if number >= _LEAST_ROUNDS and await asyncio.to_thread(seen):
            return


async def _trained(client: Client, job_id: str) -> None:
    await client.start(job_id, "slow" if job_id.endswith("0") else "fails_some")
    for watched in await asyncio.gather(*(client.watch(job_id) for _ in range(4))):
        assert watched.code == 1000


async def _refused(whole: Processes) -> None:
    stranger = whole.client()
    assert (await stranger.watch("unknown")).code == 4404
    stranger.token = "rubbish"
    assert (await stranger.watch("unknown")).code == 4401


async def _in_vain(whole: Processes) -> None:
    status, _ = await whole.client().ask("GET", "/jobs/unknown")
    assert status == 404


async def _failed(client: Client) -> None:
    await client.start("failed", "fails")
    assert (await client.ended("failed"))["state"] == "failed"


async def _cancelled(client: Client) -> None:
    await client.start("cancelled", "slow")
    status, _ = await client.ask("POST", "/jobs/cancelled/cancel")
    assert status in (200, 202)
    assert (await client.ended("cancelled"))["state"] == "cancelled"
