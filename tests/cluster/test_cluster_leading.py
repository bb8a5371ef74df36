"""Two operators: one leads, and the other takes over soon."""

import asyncio
from collections.abc import Callable

import pytest
from tests.cluster.fault_proxy import Request
from tests.cluster.kit import SYSTEM, Kit, job, percent, state, until

from levain.scaled.member import Member

pytestmark = [pytest.mark.cluster, pytest.mark.servers, pytest.mark.timeout(120)]

OnCluster = Callable[..., None]
TAKE_OVER_SECONDS = 15.0
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/levain-operator"


async def leads(kit: Kit, member: Member) -> bool:
    return await kit.metric(member, "levain_operator_leading") == 1


async def took_over(kit: Kit, member: Member) -> float:
    began = asyncio.get_running_loop().time()

    async def done() -> bool:
        return await leads(kit, member)

    await until(done, TAKE_OVER_SECONDS)
    return asyncio.get_running_loop().time() - began


async def without_lease(kit: Kit) -> None:
    await kit.call("DELETE", LEASE)


def test_a_leader_that_is_killed_is_followed_within_fifteen_seconds_and_no_job_notices(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload([f"Brot {i:02} 0.5s" for i in range(50)])
        await without_lease(kit)
        first, second = (kit.member(LEVAIN_LEASE_NAMESPACE=SYSTEM) for _ in range(2))
        await first.start()
        await until(lambda: leads(kit, first))
        await second.start()
        try:
            await kit.make(job("bakery"))
            before = await kit.wait("bakery", lambda body: percent(body) > 20)
            assert not await leads(kit, second)
            await asyncio.to_thread(first.program.kill)
            print(f"took over after {await took_over(kit, second):.1f} s")
            await kit.wait("bakery", lambda body: percent(body) > percent(before))
            body = await kit.ended("bakery")
            stored = await kit.stored(body)
            assert stored is not None
            assert (state(body), stored["products_completed"], stored["products_failed"]) == ("Completed", 50, 0)
        finally:
            await asyncio.to_thread(first.program.kill)
            await asyncio.to_thread(second.program.stop)

    on_cluster(scenario)


def test_a_leader_that_stops_politely_gives_the_lease_back(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await without_lease(kit)
        async with kit.operator(LEVAIN_LEASE_NAMESPACE=SYSTEM) as first:
            await until(lambda: leads(kit, first))
            async with kit.operator(LEVAIN_LEASE_NAMESPACE=SYSTEM) as second:
                assert await asyncio.to_thread(first.program.stop) == 0
                assert await took_over(kit, second) < 5  # sooner than the Lease runs out

    on_cluster(scenario)


def test_a_leader_that_can_not_renew_its_lease_ends_before_another_may_lead(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await without_lease(kit)
        async with kit.operator(LEVAIN_LEASE_NAMESPACE=SYSTEM) as first:
            await until(lambda: leads(kit, first))

            def about_lease(request: Request) -> bool:
                return request.resource == "leases"

            kit.proxy.hold(about_lease)
            began = asyncio.get_running_loop().time()
            while first.running:
                await asyncio.sleep(0.05)
            assert asyncio.get_running_loop().time() - began < 8 + 2
            assert await asyncio.to_thread(first.program.stop) == 1
            assert "another may lead" in first.program.last_words()

    on_cluster(scenario)


def test_of_two_operators_only_the_leader_calls(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(["Brot"])
        await without_lease(kit)
        async with kit.operator(LEVAIN_LEASE_NAMESPACE=SYSTEM) as first:
            await until(lambda: leads(kit, first))
            async with kit.operator(LEVAIN_LEASE_NAMESPACE=SYSTEM) as second:
                await kit.make(job("bakery", model="instant"))
                assert state(await kit.ended("bakery")) == "Completed"
                assert await kit.metric(second, "levain_operator_service_calls_total") == 0
                assert await kit.metric(second, "levain_operator_status_writes_total") == 0
                assert await kit.metric(first, "levain_operator_service_calls_total") > 0

    on_cluster(scenario)
