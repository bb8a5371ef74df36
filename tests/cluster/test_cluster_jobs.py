"""TrainingJobs from `kubectl apply` to their end, on a real API server and a real training service."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cluster.kit import Kit, condition, job, percent, state, until
from tests.cluster.service_proxy import ServiceProxy, of_jobs, starts

from levain.errors import CommandFailed

pytestmark = [pytest.mark.cluster, pytest.mark.servers, pytest.mark.timeout(120)]

EXAMPLES = Path(__file__).parents[2] / "examples"
OnCluster = Callable[..., None]


def test_the_example_that_is_applied_completes_and_its_wait_returns(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        async with kit.operator():
            await kit.kubectl("apply", "-f", str(EXAMPLES / "trainingjob.yaml"))
            await kit.kubectl("wait", "--for=condition=Complete", "trainingjob/bakery", "--timeout=28s")
            body = await kit.ended("bakery")
            assert percent(body) == 100

    on_cluster(scenario)


def test_a_job_is_accepted_moves_and_completes_as_the_store_says(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload([f"Brot {i:02} 0.2s" for i in range(24)])
        async with kit.operator():
            await kit.make(job("bakery"))
            states, percents, columns = set(), [], set()

            async def watch() -> None:
                while True:
                    body = await kit.get("bakery")
                    assert body is not None
                    states.add(state(body))
                    percents.append(percent(body))
                    columns.add(await kit.kubectl("get", "tj", "bakery", "--no-headers"))
                    await asyncio.sleep(0.1)

            watching = asyncio.create_task(watch())
            await kit.kubectl("wait", "--for=condition=Complete", "tj/bakery", "--timeout=25s")
            watching.cancel()
            body = await kit.ended("bakery")
            assert {"Accepted", "Running"} & states
            assert len(set(percents) - {-1}) >= 3
            assert percents == sorted(percents)
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


def test_what_can_never_run_fails_with_its_reason_and_is_not_asked_for_again(on_cluster: OnCluster) -> None:
    """Field case K19."""

    async def scenario(kit: Kit) -> None:
        await kit.upload(["Brot"])
        async with ServiceProxy(kit.stack.replicas[0].url) as service, kit.operator(service_url=service.url):
            uri = job("uri")
            uri["spec"]["dataset"] = {"uri": "file:///etc/passwd"}
            for body in (job("dataset", dataset="nowhere"), uri, job("model", model="crystal_ball")):
                await kit.make(body)
            reasons = {name: condition(await kit.ended(name, 15), "Failed")["reason"] for name in ("dataset", "uri", "model")}
            assert reasons == {"dataset": "UnknownDataset", "uri": "UriNotAllowed", "model": "UnknownModel"}
            asked = service.count(of_jobs)
            await asyncio.sleep(4)  # longer than a comparison
            assert service.count(of_jobs) == asked == service.count(starts) == 3
            body = await kit.ended("dataset")
            assert condition(body, "Accepted")["status"] == "False"
            assert state(body) == "Failed"
            with pytest.raises(CommandFailed):
                await kit.kubectl("wait", "--for=condition=Complete", "tj/dataset", "--timeout=1s")
            await kit.kubectl("wait", "--for=condition=Failed", "tj/dataset", "--timeout=5s")
            await kit.kubectl("wait", "--for=jsonpath={.status.completionTime}", "tj/dataset", "--timeout=5s")

    on_cluster(scenario)


def test_a_job_that_is_suspended_hands_out_nothing_and_goes_on_with_what_was_finished(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload([f"Brot {i:02} 0.3s" for i in range(40)])
        async with kit.operator():
            await kit.make(job("paused"))
            await kit.wait("paused", lambda body: body.get("status", {}).get("progress", {}).get("completed", 0) >= 2)
            await kit.edit("paused", {"suspend": True})
            body = await kit.wait("paused", lambda body: state(body) == "Suspended")
            assert condition(body, "Suspended")["status"] == "True"
            await asyncio.sleep(2)  # what was handed out ends
            held = await kit.stored(body)
            await asyncio.sleep(1.5)
            assert held == await kit.stored(body)
            assert held is not None
            assert 2 <= held["products_completed"] < 40
            await kit.edit("paused", {"suspend": False})
            body = await kit.ended("paused")
            assert (state(body), body["status"]["progress"]["completed"]) == ("Completed", 40)
            described = await kit.kubectl("describe", "tj", "paused")
            assert "Suspended" in described
            assert "Resumed" in described

    on_cluster(scenario)


def test_a_job_that_is_made_suspended_starts_when_it_is_resumed(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(["Brot"])
        async with kit.operator():
            body = await kit.make(job("later", model="instant", suspend=True))
            await kit.wait("later", lambda body: state(body) == "Suspended")
            await asyncio.sleep(1)
            assert await kit.stored(body) is None
            await kit.edit("later", {"suspend": False})
            assert state(await kit.ended("later")) == "Completed"

    on_cluster(scenario)


def test_deadline_and_too_many_failures_end_a_job_and_its_first_failures_are_told(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload([f"Brot {i:02} 0.5s" for i in range(30)])
        await kit.upload(["bad one", "bad two", "bad three", "Brot", "Brezel"], name="some")
        async with kit.operator():
            await kit.make(job("late", activeDeadlineSeconds=2))
            await kit.make(job("tolerant", model="fails_some", dataset="some"))
            await kit.make(job("strict", model="fails_some", dataset="some", maxFailedProducts=1))
            assert condition(await kit.ended("late"), "Failed")["reason"] == "DeadlineExceeded"
            assert condition(await kit.ended("strict"), "Failed")["reason"] == "TooManyFailedProducts"
            body = await kit.ended("tolerant")
            assert (state(body), body["status"]["progress"]["failed"], percent(body)) == ("Completed", 3, 100)
            failures = body["status"]["failures"]
            assert {f["product"] for f in failures} == {"bad one", "bad two", "bad three"}
            assert {f["reason"] for f in failures} == {"refused"}

    on_cluster(scenario)


def test_a_job_is_deleted_some_time_after_its_end_and_its_forecasts_stay(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(["Brot"])
        async with kit.operator():
            body = await kit.make(job("short", model="instant", ttlSecondsAfterFinished=2))
            assert state(await kit.ended("short")) == "Completed"

            async def is_gone() -> bool:
                return await kit.get("short") is None

            await until(is_gone, 15)
            stored = await kit.stored(body)
            assert stored is not None
            assert stored["state"] == "completed"

    on_cluster(scenario)


def test_status_is_written_at_most_once_in_the_interval_and_the_end_is_there(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload([f"Brot {i:03} 0.05s" for i in range(60)])
        async with kit.operator(LEVAIN_STATUS_SECONDS="2", LEVAIN_POLL_SECONDS="0.2") as operator:
            began = asyncio.get_running_loop().time()
            await kit.make(job("fast"))
            await kit.ended("fast")
            seconds = asyncio.get_running_loop().time() - began
            writes = kit.proxy.count(lambda kind: kind.method == "PATCH" and kind.subresource == "status")
            assert writes <= 2 + seconds / 2
            assert await kit.metric(operator, "levain_operator_status_writes_total", outcome="made") == writes
            assert await kit.metric(operator, "levain_operator_status_writes_total", outcome="merged") > 0

    on_cluster(scenario)
