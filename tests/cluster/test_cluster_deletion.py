"""What is deleted or changed while somebody is away: the resource goes at once, and the job follows."""

import asyncio
from collections.abc import Callable

import pytest
from tests.cluster.kit import Json, Kit, job, state, unique, until
from tests.cluster.service_proxy import ServiceProxy, starts

pytestmark = [pytest.mark.cluster, pytest.mark.servers, pytest.mark.timeout(120)]

OnCluster = Callable[..., None]
LONG = [f"Brot {i:02} 0.5s" for i in range(40)]


def runs(body: Json) -> bool:
    return state(body) == "Running"


def is_cancelled(stored: Json) -> bool:
    return bool(stored["state"] == "cancelled")


def test_a_running_job_that_is_deleted_is_gone_at_once_and_cancelled(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(LONG)
        async with kit.operator():
            body = await kit.make(job("deleted"))
            await kit.wait("deleted", runs)
            await kit.delete("deleted")
            assert await kit.get("deleted") is None
            await kit.until_stored(body, is_cancelled, 5)

    on_cluster(scenario)


def test_a_namespace_that_is_deleted_takes_its_running_jobs_along(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        other = unique()
        assert (await kit.call("POST", "/api/v1/namespaces", {"metadata": {"name": other}}))[0] == 201
        await kit.upload(LONG, tenant=other)
        async with kit.operator():
            body = await kit.make(job("inside"), namespace=other)
            await kit.wait("inside", runs, namespace=other)
            await kit.call("DELETE", f"/api/v1/namespaces/{other}")
            await kit.until_stored(body, is_cancelled, 15)

            async def is_gone() -> bool:
                return (await kit.call("GET", f"/api/v1/namespaces/{other}"))[0] == 404

            await until(is_gone, 20)

    on_cluster(scenario)


def test_a_job_that_is_deleted_while_the_service_is_away_is_cancelled_when_it_is_back(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(LONG)
        async with ServiceProxy(kit.stack.replicas[0].url) as service, kit.operator(service_url=service.url):
            body = await kit.make(job("deleted"))
            await kit.wait("deleted", runs)
            service.behave(lambda _: True)
            await kit.delete("deleted")
            assert await kit.get("deleted") is None
            await asyncio.sleep(3)
            stored = await kit.stored(body)
            assert stored is not None
            assert stored["state"] == "training"
            service.mend()
            await kit.until_stored(body, is_cancelled, 15)

    on_cluster(scenario)


def test_what_happens_while_the_operator_is_away_is_made_good_and_nothing_runs_twice(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(LONG)
        await kit.upload([f"Brot {i} 0.3s" for i in range(6)], name="few")
        async with ServiceProxy(kit.stack.replicas[0].url) as service:
            async with kit.operator(service_url=service.url):
                deleted = await kit.make(job("deleted"))
                await kit.wait("deleted", runs)
                await kit.make(job("ends", dataset="few"))
                paused = await kit.make(job("paused"))
                await kit.wait("paused", lambda body: state(body) in ("Accepted", "Analysing", "Running"))
            await kit.delete("deleted")
            await kit.edit("paused", {"suspend": True})
            await kit.make(job("made", model="instant", dataset="few"))
            never = await kit.make(job("never"))
            await kit.delete("never")
            async with kit.operator(service_url=service.url):
                assert state(await kit.ended("made")) == "Completed"
                assert state(await kit.ended("ends")) == "Completed"
                await kit.until_stored(deleted, is_cancelled, 10)
                await kit.until_stored(paused, lambda stored: bool(stored["suspended"]), 10)
                await kit.wait("paused", lambda body: state(body) == "Suspended")
                assert await kit.stored(never) is None
            assert service.count(starts) == 4

    on_cluster(scenario)


def test_a_job_that_ended_is_not_started_again_by_an_operator_that_knows_nothing(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(["Brot"])
        async with kit.operator():
            await kit.make(job("once", model="instant"))
            body = await kit.ended("once")
        async with ServiceProxy(kit.stack.replicas[0].url) as service, kit.operator(service_url=service.url):
            await asyncio.sleep(4)  # longer than a comparison
            assert service.count(lambda asked: body["metadata"]["uid"] in asked.path) == 0
            assert await kit.get("once") == body

    on_cluster(scenario)
