import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientResponse, ClientSession, ClientTimeout
from tests.cluster.control_plane import Cluster, ExistingCluster
from tests.cluster.fault_proxy import FaultProxy, Kind, Request, read

from levain.scaled.ports import free_port

Json = dict[str, Any]
QUIET_SECONDS = 0.3  # a request through the proxy takes a few milliseconds
ANY_SECONDS = 15.0


class Client:
    """One that knows the API server by the proxy's address alone."""

    def __init__(self, session: ClientSession, jobs: str) -> None:
        self.session, self.jobs = session, jobs

    async def create(self, name: str) -> ClientResponse:
        spec = {"dataset": {"name": "sample"}}
        job = {"apiVersion": "levain.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": name}, "spec": spec}
        return await self._read(await self.session.post(self.jobs, json=job))

    async def get(self, name: str = "") -> ClientResponse:
        return await self._read(await self.session.get(f"{self.jobs}/{name}".rstrip("/")))

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[Callable[[], Awaitable[str]]]:
        """From now on: each call waits for one event, and gives `TYPE name`."""
        listed = await (await self.get()).json()
        query = {"watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"]}
        async with self.session.get(self.jobs, params=query) as answer:
            assert answer.status == 200

            async def event() -> str:
                said = json.loads(await answer.content.readline())
                return f"{said['type']} {said['object']['metadata']['name']}"

            yield event

    async def _read(self, answer: ClientResponse) -> ClientResponse:
        await answer.read()
        return answer


Scenario = Callable[[FaultProxy, Client], Awaitable[None]]


def run(scenario: Scenario, cluster: Cluster, namespace: str, *, token: str | None = None) -> None:
    async def whole() -> None:
        headers = {"Authorization": f"Bearer {token or cluster.admin_token}"}
        async with FaultProxy(cluster) as proxy, ClientSession(proxy.url, headers=headers, timeout=ClientTimeout(ANY_SECONDS)) as session:
            await scenario(proxy, Client(session, f"/apis/levain.dev/v1alpha1/namespaces/{namespace}/trainingjobs"))

    asyncio.run(whole())


def exists(cluster: Cluster, namespace: str, name: str) -> bool:
    """By the API server itself."""
    return cluster.call("GET", f"/apis/levain.dev/v1alpha1/namespaces/{namespace}/trainingjobs/{name}")[0] == 200


def creates(request: Request) -> bool:
    return request.method == "POST" and request.resource == "trainingjobs"


@pytest.mark.parametrize(
    ("path", "kind", "namespace", "name"),
    [
        ("/apis/levain.dev/v1alpha1/trainingjobs", Kind("GET", "trainingjobs"), "", ""),
        ("/apis/levain.dev/v1alpha1/namespaces/a/trainingjobs/b/status", Kind("GET", "trainingjobs", "status"), "a", "b"),
        ("/api/v1/namespaces/a/events", Kind("GET", "events"), "a", ""),
        ("/api/v1/namespaces/a", Kind("GET", "namespaces"), "a", "a"),
        ("/api/v1/namespaces/a/finalize", Kind("GET", "namespaces", "finalize"), "a", "a"),
        ("/api/v1/namespaces", Kind("GET", "namespaces"), "", ""),
        ("/api/v1", Kind("GET"), "", ""),
        ("/apis/levain.dev/v1alpha1", Kind("GET"), "", ""),
        ("/readyz", Kind("GET"), "", ""),
    ],
)
def test_a_path_is_read_as_the_api_server_reads_it(path: str, kind: Kind, namespace: str, name: str) -> None:
    request = read("GET", path, {})
    assert (request.kind, request.namespace, request.name) == (kind, namespace, name)
    assert read("GET", path, {"watch": "1"}).kind == kind._replace(watch=True)
    assert not read("DELETE", path, {"watch": "1"}).watch


@pytest.mark.cluster
def test_requests_and_their_refusals_pass_unchanged_and_are_counted(control_plane: Cluster, namespace: str) -> None:
    async def scenario(proxy: FaultProxy, client: Client) -> None:
        assert (await client.create("bakery")).status == 201
        again = await client.create("bakery")
        assert (again.status, (await again.json())["reason"]) == (409, "AlreadyExists")
        assert (await (await client.get("bakery")).json())["spec"]["dataset"] == {"name": "sample"}
        assert (await client.session.get("/readyz")).status == 200
        assert proxy.requests == {Kind("POST", "trainingjobs"): 2, Kind("GET", "trainingjobs"): 1, Kind("GET"): 1}
        assert proxy.count(lambda kind: kind.resource == "trainingjobs") == 3

    run(scenario, control_plane, namespace)


@pytest.mark.cluster
def test_who_asks_is_known_behind_the_proxy(control_plane: Cluster, namespace: str) -> None:
    control_plane.kubectl("create", "serviceaccount", "nobody", f"--namespace={namespace}")

    async def scenario(_: FaultProxy, client: Client) -> None:
        answer = await client.get()
        assert (answer.status, f"system:serviceaccount:{namespace}:nobody" in (await answer.json())["message"]) == (403, True)

    run(scenario, control_plane, namespace, token=control_plane.service_account_token(namespace, "nobody"))


@pytest.mark.cluster
def test_a_watch_is_passed_on_event_by_event_and_ends_with_its_client(control_plane: Cluster, namespace: str) -> None:
    async def scenario(proxy: FaultProxy, client: Client) -> None:
        async with client.watch() as event:
            for name in ("first", "second"):
                await client.create(name)
                assert await event() == f"ADDED {name}"
            assert (proxy.watches, proxy.requests[Kind("GET", "trainingjobs", watch=True)]) == (1, 1)
        async with asyncio.timeout(ANY_SECONDS):
            while proxy.watches:
                await asyncio.sleep(0.01)

    run(scenario, control_plane, namespace)


@pytest.mark.cluster
def test_a_fault_is_answered_in_place_of_the_api_server_so_many_times(control_plane: Cluster, namespace: str) -> None:
    async def scenario(proxy: FaultProxy, client: Client) -> None:
        fault = proxy.fail(creates, 429, 2, retry_after=1)
        for _ in range(2):
            answer = await client.create("bakery")
            said = await answer.json()
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
            assert (said["kind"], said["code"], said["reason"], said["details"]) == (
                "Status",
                429,
                "TooManyRequests",
                {"retryAfterSeconds": 1},
            )
            assert not exists(control_plane, namespace, "bakery")
        assert (await client.get()).status == 200
        assert (await client.create("bakery")).status == 201
        assert fault.hits == 2

    run(scenario, control_plane, namespace)


@pytest.mark.cluster
def test_a_fault_without_a_number_lasts_until_it_is_mended(control_plane: Cluster, namespace: str) -> None:
    async def scenario(proxy: FaultProxy, client: Client) -> None:
        proxy.fail(lambda request: request.watch, 410)
        query = {"watch": "true"}
        for _ in range(3):
            assert (await client.session.get(client.jobs, params=query)).status == 410
        proxy.mend()
        async with client.session.get(client.jobs, params=query) as answer:
            assert answer.status == 200

    run(scenario, control_plane, namespace)


@pytest.mark.cluster
def test_a_fault_after_the_fact_leaves_its_sender_in_the_dark(control_plane: Cluster, namespace: str) -> None:
    async def scenario(proxy: FaultProxy, client: Client) -> None:
        proxy.fail(creates, 504, 1, after=True)
        assert (await client.create("bakery")).status == 504
        assert exists(control_plane, namespace, "bakery")
        assert (await client.create("bakery")).status == 409

    run(scenario, control_plane, namespace)


@pytest.mark.cluster
def test_a_held_request_is_carried_out_when_it_is_released(control_plane: Cluster, namespace: str) -> None:
    async def scenario(proxy: FaultProxy, client: Client) -> None:
        hold = proxy.hold(creates)
        creating = asyncio.create_task(client.create("bakery"))
        await asyncio.sleep(QUIET_SECONDS)
        assert (creating.done(), hold.waiting, exists(control_plane, namespace, "bakery")) == (False, 1, False)
        assert (await client.get()).status == 200
        hold.release()
        assert ((await creating).status, hold.waiting) == (201, 0)

    run(scenario, control_plane, namespace)


@pytest.mark.cluster
def test_a_held_request_whose_sender_gave_up_is_never_carried_out(control_plane: Cluster, namespace: str) -> None:
    async def scenario(proxy: FaultProxy, client: Client) -> None:
        hold = proxy.hold(creates)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS):
                await client.create("bakery")
        async with asyncio.timeout(ANY_SECONDS):
            while hold.waiting:
                await asyncio.sleep(0.01)
        proxy.mend()
        assert (await client.get("bakery")).status == 404

    run(scenario, control_plane, namespace)


@pytest.mark.cluster
def test_a_silent_watch_says_nothing_until_it_is_mended_and_then_all(control_plane: Cluster, namespace: str) -> None:
    async def scenario(proxy: FaultProxy, client: Client) -> None:
        async with client.watch() as event:
            await client.create("before")
            assert await event() == "ADDED before"
            proxy.silence()
            assert (await client.create("first")).status == 201
            assert (await client.create("second")).status == 201
            next_one = asyncio.ensure_future(event())
            await asyncio.sleep(QUIET_SECONDS)
            assert (next_one.done(), proxy.watches) == (False, 1)
            proxy.mend()
            assert await next_one == "ADDED first"
            assert await event() == "ADDED second"

    run(scenario, control_plane, namespace)


def test_an_api_server_that_is_away_is_no_answer(tmp_path: Path) -> None:
    nobody = ExistingCluster(tmp_path, tmp_path / "kubeconfig")
    nobody.url, nobody.admin_token = f"https://127.0.0.1:{free_port()}", "token"

    async def scenario(_: FaultProxy, client: Client) -> None:
        with pytest.raises(ClientConnectionError):
            await client.get()

    run(scenario, nobody, "default")
