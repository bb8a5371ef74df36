"""A whole for the operator: a real API server behind a proxy that can fail, a real training service, and operators as processes."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import aiohttp
import uvloop
import yaml
from tests.cluster.control_plane import Cluster
from tests.cluster.fault_proxy import FaultProxy
from tests.e2e.processes import scraped
from tests.training.harness import Client, sales_csv

from levain.scaled.member import Member
from levain.scaled.stack import ScaledStack

Json = dict[str, Any]

RBAC = Path(__file__).parents[2] / "charts" / "levain" / "files" / "rbac" / "operator.yaml"
SYSTEM = "levain-system"
ACCOUNT = "levain-operator"
JOBS, SCHEDULES = "trainingjobs", "trainingschedules"
LIMIT_SECONDS = 110
WAIT_SECONDS = 30.0
SOON = {"LEVAIN_POLL_SECONDS": "0.5", "LEVAIN_COMPARE_SECONDS": "3", "LEVAIN_STATUS_SECONDS": "0.5", "LEVAIN_SERVICE_SECONDS": "2"}


def access() -> list[Json]:
    """What the chart is to make of the operator's rights."""
    rights = yaml.safe_load(RBAC.read_text())
    api, subject = "rbac.authorization.k8s.io", {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": SYSTEM}

    def binding(kind: str, role: str, **where: str) -> Json:
        role_ref = {"apiGroup": api, "kind": role, "name": ACCOUNT}
        return {"apiVersion": f"{api}/v1", "kind": kind, "metadata": {"name": ACCOUNT, **where}, "roleRef": role_ref, "subjects": [subject]}

    def role(kind: str, rules: list[Json], **where: str) -> Json:
        return {"apiVersion": f"{api}/v1", "kind": kind, "metadata": {"name": ACCOUNT, **where}, "rules": rules}

    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": SYSTEM}},
        role("ClusterRole", rights["clusterRole"]),
        binding("ClusterRoleBinding", "ClusterRole"),
        role("Role", rights["role"], namespace=SYSTEM),
        binding("RoleBinding", "Role", namespace=SYSTEM),
    ]


def job(name: str, *, model: str = "slow", dataset: str = "sales", **spec: Any) -> Json:
    spec = {"dataset": {"name": dataset}, "model": model, **spec}
    return {"apiVersion": "levain.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": name}, "spec": spec}


def schedule(name: str, cron: str = "* * * * *", *, model: str = "instant", **spec: Any) -> Json:
    template = {"spec": {"dataset": {"name": "sales"}, "model": model}}
    spec = {"schedule": cron, "template": template, **spec}
    return {"apiVersion": "levain.dev/v1alpha1", "kind": "TrainingSchedule", "metadata": {"name": name}, "spec": spec}


def condition(body: Json, kind: str) -> Json:
    """Empty where it has none."""
    return next((c for c in body.get("status", {}).get("conditions", ()) if c["type"] == kind), {})


def state(body: Json) -> str:
    return str(condition(body, "Succeeded").get("reason", ""))


def percent(body: Json) -> int:
    return int(body.get("status", {}).get("progress", {}).get("percent", -1))


def has_ended(body: Json) -> bool:
    return bool(body.get("status", {}).get("completionTime"))


class Kit:
    """Of one scenario, in a namespace of its own, whose tenant has its name. The clock of `wait` is the test's."""

    def __init__(self, cluster: Cluster, stack: ScaledStack, proxy: FaultProxy, session: aiohttp.ClientSession, namespace: str) -> None:
        self.cluster, self.stack, self.proxy, self.session, self.namespace = cluster, stack, proxy, session, namespace
        self._token = cluster.service_account_token(SYSTEM, ACCOUNT)
        self._numbers = iter(range(1, 100))
        self._tenants = {namespace}

    async def call(self, method: str, path: str, body: Json | None = None, **options: Any) -> tuple[int, Json]:
        return await asyncio.to_thread(self.cluster.call, method, path, body, **options)

    async def kubectl(self, *arguments: str, **options: Any) -> str:
        return await asyncio.to_thread(self.cluster.kubectl, f"--namespace={self.namespace}", *arguments, **options)

    def path(self, name: str = "", *, plural: str = JOBS, namespace: str | None = None) -> str:
        base = f"/apis/levain.dev/v1alpha1/namespaces/{namespace or self.namespace}/{plural}"
        return f"{base}/{name}" if name else base

    async def make(self, body: Json, *, namespace: str | None = None) -> Json:
        plural = JOBS if body["kind"] == "TrainingJob" else SCHEDULES
        status, answer = await self.call("POST", self.path(plural=plural, namespace=namespace), body)
        assert status == 201, answer
        return answer

    async def get(self, name: str, *, plural: str = JOBS, namespace: str | None = None) -> Json | None:
        """None where there is none."""
        status, answer = await self.call("GET", self.path(name, plural=plural, namespace=namespace))
        assert status in (200, 404), answer
        return answer if status == 200 else None

    async def list(self, plural: str = JOBS) -> list[Json]:
        status, answer = await self.call("GET", self.path(plural=plural))
        assert status == 200, answer
        items: list[Json] = answer["items"]
        return items

    async def edit(self, name: str, spec: Json, *, plural: str = JOBS) -> None:
        status, answer = await self.call("PATCH", self.path(name, plural=plural), {"spec": spec})
        assert status == 200, answer

    async def delete(self, name: str, *, plural: str = JOBS) -> None:
        status, answer = await self.call("DELETE", self.path(name, plural=plural))
        assert status == 200, answer

    async def wait(self, name: str, wanted: Callable[[Json], bool], seconds: float = WAIT_SECONDS, *, namespace: str | None = None) -> Json:
        body: Json | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    body = await self.get(name, namespace=namespace)
                    if body is not None and wanted(body):
                        return body
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{name} is still {yaml.safe_dump((body or {}).get('status'))}") from None

    async def ended(self, name: str, seconds: float = WAIT_SECONDS) -> Json:
        return await self.wait(name, has_ended, seconds)

    def client(self, tenant: str | None = None) -> Client:
        """At the gateway, as a trainer of the tenant of the namespace."""
        tenant = tenant or self.namespace
        base = f"http://127.0.0.1:{self.stack.gateways[0].port}/api/v1/tenants/{tenant}/training"
        return Client(self.session, base, self.stack.token(tenant))

    async def upload(self, products: Sequence[str] | Mapping[str, int], *, name: str = "sales", tenant: str | None = None) -> None:
        self._tenants.add(tenant or self.namespace)
        await self.client(tenant).upload(sales_csv(products if isinstance(products, Mapping) else list(products)), name)

    async def cancel_all(self) -> None:
        """What still runs would keep the workers from the next scenario."""
        for tenant in self._tenants:
            client = self.client(tenant)
            for phase in ("pending", "analysing", "training"):
                _, page = await client.ask("GET", f"/jobs?state={phase}")
                for found in page["items"]:
                    await client.ask("POST", f"/jobs/{found['job_id']}/cancel")

    async def stored(self, body: Json) -> Json | None:
        """The job of a TrainingJob as the service has it; None where it has none."""
        status, answer = await self.client(body["metadata"]["namespace"]).ask("GET", f"/jobs/{body['metadata']['uid']}")
        assert status in (200, 404), answer
        return answer if status == 200 else None

    async def until_stored(self, body: Json, wanted: Callable[[Json], bool], seconds: float = WAIT_SECONDS) -> Json:
        async with asyncio.timeout(seconds):
            while (found := await self.stored(body)) is None or not wanted(found):
                await asyncio.sleep(0.1)
        return found

    def member(self, *, service_url: str | None = None, command: Sequence[str] = ("-m", "levain_operator"), **environment: str) -> Member:
        """An operator that is not started, which reaches the API server through the proxy and has the rights of the chart."""
        name = f"operator-{next(self._numbers)}"
        config = self.cluster.kubeconfig(self._token, server=self.proxy.url)
        values = {
            "LEVAIN_TRAINING_URL": service_url or self.stack.replicas[0].url,
            "LEVAIN_OPERATOR_SECRET": self.stack.operator_secret,
            "LEVAIN_KUBECONFIG": str(config),
            "LEVAIN_STREAM_URL": "wss://levain.example",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "LEVAIN_IDENTITY": name,
        }
        folder = self.cluster.folder / self.namespace
        folder.mkdir(exist_ok=True)
        return Member(name, [sys.executable, *command], values | SOON | environment, folder)

    @asynccontextmanager
    async def operator(self, **options: Any) -> AsyncIterator[Member]:
        member = self.member(**options)
        await member.start()
        try:
            yield member
        finally:
            await asyncio.to_thread(member.program.stop)

    @asynccontextmanager
    async def operator_soon(self, service_url: str) -> AsyncIterator[Member]:
        """One that need not be ready yet: the service does not answer as it should."""
        member = self.member(service_url=service_url)
        member.launch()
        try:
            yield member
        finally:
            await asyncio.to_thread(member.program.stop)

    @staticmethod
    async def metric(member: Member, name: str, **labels: str) -> float:
        samples = await asyncio.to_thread(scraped, [member])
        return sum(value for (found, has), value in samples.items() if found == name and labels.items() <= dict(has).items())


Scenario = Callable[[Kit], Coroutine[Any, Any, None]]


def run(cluster: Cluster, stack: ScaledStack, namespace: str, scenario: Scenario, *, seconds: float = LIMIT_SECONDS) -> None:
    async def main() -> None:
        async with asyncio.timeout(seconds), aiohttp.ClientSession() as session, FaultProxy(cluster) as proxy:
            kit = Kit(cluster, stack, proxy, session, namespace)
            try:
                await scenario(kit)
            finally:
                await kit.cancel_all()

    uvloop.run(main())


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = WAIT_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.1)


def unique() -> str:
    return f"test-{token_hex(5)}"
