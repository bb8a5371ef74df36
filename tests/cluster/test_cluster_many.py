"""As many TrainingJobs at once as a busy night has, each with as many products as a large bakery's."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psutil
import pytest
from tests.cluster.control_plane import Cluster
from tests.cluster.kit import Kit, condition, has_ended, job, percent
from tests.cluster.test_cluster_access import USER
from tests.training.harness import sales_csv

pytestmark = [pytest.mark.cluster, pytest.mark.servers, pytest.mark.timeout(600)]

JOBS, PRODUCTS = 200, 1000
WRITES_PER_SECOND = 20
WINDOW_SECONDS = 10
# Of the rate: writes that were held up come with the next ones, and the bucket holds a tenth of a second's.
SLACK = 0.1
MEMORY_BYTES = 150 * 1024 * 1024


def _times_of_status_writes(lines: list[dict[str, Any]]) -> list[float]:
    return sorted(
        datetime.fromisoformat(line["requestReceivedTimestamp"]).timestamp()
        for line in lines
        if line["verb"] == "patch" and line["objectRef"].get("subresource") == "status"
    )


def test_two_hundred_jobs_of_a_thousand_products_all_end_within_the_rate_of_writes_and_in_little_memory(
    on_cluster: Callable[..., None], control_plane: Cluster
) -> None:
    log = control_plane.audit_log
    if log is None:
        pytest.skip("an existing cluster shows no audit log")

    async def scenario(kit: Kit) -> None:
        await kit.client().upload(sales_csv([f"Brot {i:04}" for i in range(PRODUCTS)], days=28))
        limited = {"LEVAIN_STATUS_WRITES_PER_SECOND": str(WRITES_PER_SECOND), "LEVAIN_STATUS_SECONDS": "2", "LEVAIN_SERVICE_SECONDS": "10"}
        async with kit.operator(**limited) as operator:
            process, held = psutil.Process(operator.program.pid), list[int]()
            names = [f"bakery-{i:03}" for i in range(JOBS)]
            for some in range(0, JOBS, 20):
                await asyncio.gather(*(kit.make(job(name, model="instant")) for name in names[some : some + 20]))
            while not all(map(has_ended, found := await kit.list())):
                held.append(process.memory_info().rss)
                await asyncio.sleep(1)
            made = await kit.metric(operator, "levain_operator_status_writes_total", outcome="made")
        assert sorted(body["metadata"]["name"] for body in found) == names
        for body in found:
            assert condition(body, "Complete").get("status") == "True", body["status"]
            progress = body["status"]["progress"]
            assert (percent(body), progress["completed"], progress["total"]) == (100, PRODUCTS, PRODUCTS)
        stored = await asyncio.gather(*map(kit.stored, found))
        assert {of and (of["state"], of["products_completed"]) for of in stored} == {("completed", PRODUCTS)}
        print(f"{JOBS} jobs: {made:g} status writes, at most {max(held) / 1024**2:.0f} MiB")
        assert max(held) < MEMORY_BYTES

    before = log.stat().st_size
    on_cluster(scenario, seconds=580)
    with log.open("rb") as file:
        file.seek(before)
        writes = _times_of_status_writes([line for line in map(json.loads, file) if line["user"]["username"] == USER])
    assert len(writes) >= JOBS
    most = max(sum(at <= other < at + WINDOW_SECONDS for other in writes) for at in writes)
    mean = len(writes) / (writes[-1] - writes[0])
    print(f"{len(writes)} PATCHes, {mean:.1f} a second, at most {most} in {WINDOW_SECONDS} s")
    assert mean <= WRITES_PER_SECOND
    assert most <= WRITES_PER_SECOND * WINDOW_SECONDS * (1 + SLACK)
