"""Operators that die, an API server and a training service that fail: each job ends as it should, and its progress never goes back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from tests.cluster.fault_proxy import Request
from tests.cluster.kit import JOBS, Json, Kit, has_ended, job, percent, state, until
from tests.cluster.service_proxy import Asked, ServiceProxy, of_jobs, starts

pytestmark = [pytest.mark.cluster, pytest.mark.servers, pytest.mark.timeout(120)]

OnCluster = Callable[..., None]
PRODUCTS = [f"Brot {i:02} 0.2s" for i in range(12)]


def writes_status(request: Request) -> bool:
    return request.method == "PATCH" and request.subresource == "status"


def reads_one(request: Request) -> bool:
    return request.method == "GET" and request.resource == JOBS and bool(request.name)


def lists(request: Request) -> bool:
    return request.method == "GET" and request.resource == JOBS and not request.name and not request.watch


def emits(request: Request) -> bool:
    return request.method == "POST" and request.resource == "events"


def polls(asked: Asked) -> bool:
    return not of_jobs(asked)


@asynccontextmanager
async def never_going_back(kit: Kit, name: str) -> AsyncIterator[list[Json]]:
    """Every status that somebody who looks all the time sees."""
    seen: list[Json] = []

    async def look() -> None:
        while True:
            body = await kit.get(name)
            if body is not None and "status" in body and (not seen or seen[-1] != body["status"]):
                seen.append(body["status"])
            await asyncio.sleep(0.05)

    looking = asyncio.create_task(look())
    try:
        yield seen
    finally:
        looking.cancel()
    percents = [percent({"status": status}) for status in seen]
    assert percents == sorted(percents)
    completed = [status.get("progress", {}).get("completed", 0) for status in seen]
    assert completed == sorted(completed)


async def as_alone(kit: Kit, body: Json) -> None:
    """The job ran once, every product of it, and its status says what the store does."""
    stored = await kit.stored(body)
    assert stored is not None
    assert (stored["state"], stored["products_completed"], stored["products_failed"]) == ("completed", len(PRODUCTS), 0)
    assert (percent(body), body["status"]["progress"]["completed"], state(body)) == (100, len(PRODUCTS), "Completed")
    assert body["status"]["jobId"] == stored["job_id"]


def at_api(match: Callable[[Request], bool], *, skip: int = 0, after: bool = False) -> Callable[[Kit, ServiceProxy], asyncio.Event]:
    """When a request of this kind is there for the (skip + 1)th time: it is held, or carried out and its answer held."""

    def arm(kit: Kit, _: ServiceProxy) -> asyncio.Event:
        left, met = skip, asyncio.Event()

        def matches(request: Request) -> bool:
            nonlocal left
            if met.is_set() or not match(request):
                return False
            left -= 1
            if left < 0:
                met.set()
            return met.is_set()

        if after:
            kit.proxy.fail(matches, 503, 1, after=True)
        else:
            kit.proxy.hold(matches)
        return met

    return arm


def at_service(match: Callable[[Asked], bool], *, skip: int = 0, after: bool = False) -> Callable[[Kit, ServiceProxy], asyncio.Event]:
    def arm(_: Kit, service: ServiceProxy) -> asyncio.Event:
        left = skip

        def matches(asked: Asked) -> bool:
            nonlocal left
            if not match(asked):
                return False
            left -= 1
            return left < 0

        return service.behave(matches, seconds=5, after=after, times=1).met

    return arm


POINTS = {
    "before it looks at the resource": at_api(reads_one),
    "after it looked at the resource": at_api(reads_one, after=True),
    "before it starts the job": at_service(starts),
    "after it started the job": at_service(starts, after=True),
    "before the first status": at_api(writes_status),
    "after the first status": at_api(writes_status, after=True),
    "before the second status": at_api(writes_status, skip=1),
    "after the third status": at_api(writes_status, skip=2, after=True),
    "before the first event": at_api(emits),
    "after the second event": at_api(emits, skip=1, after=True),
    "before it asks what changed": at_service(polls, skip=6),
    "before it compares": at_api(lists, skip=1),
}


@pytest.mark.parametrize("point", POINTS)
def test_an_operator_that_is_killed_is_followed_by_one_that_ends_the_job_once(on_cluster: OnCluster, point: str) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(PRODUCTS)
        async with ServiceProxy(kit.stack.replicas[0].url) as service:
            met = POINTS[point](kit, service)
            first = kit.member(service_url=service.url)
            first.launch()
            try:
                if "compares" not in point:
                    await first.until_ready()
                await kit.make(job("bakery"))
                async with never_going_back(kit, "bakery"):
                    await asyncio.wait_for(met.wait(), 30)
                    await asyncio.sleep(0.05)
                    await asyncio.to_thread(first.program.kill)
                    kit.proxy.mend()
                    service.mend()
                    async with kit.operator(service_url=service.url):
                        body = await kit.ended("bakery")
                        await as_alone(kit, body)
            finally:
                await asyncio.to_thread(first.program.kill)

    on_cluster(scenario)


@pytest.mark.parametrize("status", [409, 410, 429, 500, 503])
def test_an_api_server_that_refuses_for_a_while_only_delays(on_cluster: OnCluster, status: int) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(PRODUCTS)
        kit.proxy.fail(writes_status, status, 2)
        kit.proxy.fail(writes_status, status, 1, after=True)
        kit.proxy.fail(reads_one, status, 1)
        kit.proxy.fail(lists, status, 1)
        kit.proxy.fail(lambda request: request.watch, status, 2)
        kit.proxy.fail(emits, status, 1)
        async with kit.operator() as operator, never_going_back(kit, "bakery"):
            await kit.make(job("bakery"))
            await as_alone(kit, await kit.ended("bakery", 60))
            assert await kit.metric(operator, "levain_operator_status_writes_total", outcome="refused") >= 3

    on_cluster(scenario)


def test_a_watch_that_goes_silent_costs_no_more_than_a_comparison(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(PRODUCTS)
        async with kit.operator() as operator:
            await kit.make(job("before"))
            await kit.wait("before", lambda body: state(body) == "Running")
            kit.proxy.silence()
            gone = await kit.make(job("gone"))
            await kit.make(job("during"))
            await kit.until_stored(gone, lambda stored: True, 15)
            await kit.delete("gone")
            await as_alone(kit, await kit.ended("during"))
            await kit.until_stored(gone, lambda stored: bool(stored["state"] == "cancelled"), 15)

            async def is_counted() -> bool:
                return await kit.metric(operator, "levain_operator_repairs_total", kind="change_not_seen") > 0

            await until(is_counted)

    on_cluster(scenario)


ANSWERS: dict[str, dict[str, object]] = {
    "late": {"status": 200, "seconds": 3.0, "after": True},
    "with a page that is none of ours": {"status": 200, "body": b"<html>welcome</html>"},
    "with another job": {"status": 200, "body": b'{"job_id": "other"}'},
    "503": {"status": 503, "body": b"{}"},
    "500 after it did what it was asked": {"status": 500, "body": b"oops", "after": True},
    "not at all": {},
    "not at all, though it did what it was asked": {"after": True},
    "404 of a proxy": {"status": 404, "body": b"no route"},
    "401": {"status": 401, "body": b'{"code": "unauthenticated"}'},
}


@pytest.mark.parametrize("how", ANSWERS)
def test_a_service_that_answers_wrongly_for_a_while_only_delays(on_cluster: OnCluster, how: str) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(PRODUCTS)
        async with ServiceProxy(kit.stack.replicas[0].url) as service:
            service.behave(of_jobs, times=2, **ANSWERS[how])  # type: ignore[arg-type]
            service.behave(polls, times=2, **ANSWERS[how])  # type: ignore[arg-type]
            async with kit.operator_soon(service.url), never_going_back(kit, "bakery"):
                await kit.make(job("bakery"))
                await as_alone(kit, await kit.ended("bakery", 40))

    on_cluster(scenario)


def test_a_job_is_told_to_wait_while_the_service_is_away_and_completes_when_it_is_back(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.upload(PRODUCTS)
        async with ServiceProxy(kit.stack.replicas[0].url) as service:
            service.behave(lambda _: True, 503)
            async with kit.operator_soon(service.url) as operator:
                await kit.make(job("bakery"))
                body = await kit.wait("bakery", lambda body: "ServiceUnavailable" in str(body.get("status")))
                assert not has_ended(body)
                assert any("training service" in problem for problem in await operator.problems())
                await asyncio.sleep(10)
                asked = service.count(starts)
                assert asked <= 5  # growing delays
                service.mend()
                await as_alone(kit, await kit.ended("bakery", 40))
                await operator.until_ready()

    on_cluster(scenario)
