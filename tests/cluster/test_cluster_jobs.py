"""TrainingJobs from `kubectl apply` to their end, on a real API server and a real training service."""

import asyncio
from collections.abc import Callable

import pytest
from tests.cluster.kit import Kit, condition, has_ended, job, percent, state

pytestmark = [pytest.mark.cluster, pytest.mark.servers, pytest.mark.timeout(120)]


def test_a_job_is_accepted_moves_and_completes_as_the_store_says(on_cluster: Callable[..., None]) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload([f"Brot {i:02} 0.2s" for i in range(24)])
        async with kit.operator():
            await kit.make(job("bakery"))
            states, percents, columns = set(), set(), set()

            async def watch() -> None:
                while True:
                    body = await kit.get("bakery")
                    assert body is not None
                    states.add(state(body))
                    percents.add(percent(body))
                    columns.add(await kit.kubectl("get", "tj", "bakery", "--no-headers"))
                    await asyncio.sleep(0.1)

            watching = asyncio.create_task(watch())
            await kit.kubectl("wait", "--for=condition=Complete", "tj/bakery", "--timeout=25s")
            watching.cancel()
            body = await kit.ended("bakery")
            assert {"Accepted", "Running"} & states
            assert len(percents - {-1}) >= 3
            assert len(columns) >= 3
            stored = await kit.stored(body)
            assert stored is not None
            progress = body["status"]["progress"]
            assert (progress["completed"], progress["failed"], progress["total"], progress["percent"]) == (24, 0, 24, 100)
            assert (stored["products_completed"], stored["products_failed"], stored["state"]) == (24, 0, "completed")
            assert progress["display"] == "24/24"
            assert body["status"]["jobId"] == body["metadata"]["uid"]
            assert body["status"]["streamUrl"].startswith("wss://levain.example/")
            assert condition(body, "Complete")["status"] == "True"
            assert condition(body, "Failed")["status"] == "False"
            assert condition(body, "Accepted")["observedGeneration"] == 1
            assert body["metadata"].get("finalizers") is None
            described = await kit.kubectl("describe", "tj", "bakery")
            assert "Accepted" in described
            assert "Completed" in described

    on_cluster(scenario)


_ = has_ended
