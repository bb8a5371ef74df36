"""A scenario on a release: callers and viewers come from outside the cluster, through the gateway's Service."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import aiohttp
import uvloop
from prometheus_client.parser import text_string_to_metric_families
from tests.cluster import kit as resources
from tests.cluster.control_plane import Cluster
from tests.e2e.processes import next_number
from tests.e2e.whole import Whole, stored
from tests.node.release import RunningRelease
from tests.polling import looked
from tests.processes.accounting import Account, Expected, Stored, account
from tests.processes.kit import Witness, all_trained
from tests.processes.screen import Screen
from tests.training.harness import Client, sales_csv

from levain.tokens import signed
from levain_contracts.claims import Role

Json = dict[str, Any]
Scenario = Callable[["Site"], Coroutine[Any, Any, None]]

LIMIT_SECONDS = 280.0
FITS = {"requests": {"cpu": "50m", "memory": "128Mi"}}  # more workers than a node of two cores has room for by default
SLOW = {"slow": "levain_training.forecasting.testing:SLOW"}  # the value `trainers`


class Site(Whole):
    """`namespace`: of its TrainingJobs, and so its tenant."""

    def __init__(self, release: RunningRelease, session: aiohttp.ClientSession, namespace: str) -> None:
        self.release, self.session, self.namespace = release, session, namespace
        self.host, self._port = release.reached_at()
        self._issuer = release.issuer()

    @property
    def cluster(self) -> Cluster:
        return self.release.cluster

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self._port}"

    @property
    def ports(self) -> list[int]:
        return [self._port]

    def token(self, tenant: str, role: Role = Role.TRAINER, *, hours: float = 24) -> str:
        return signed(self._issuer, tenant, role, hours=hours)

    def _sum(self, metric: str, labels: dict[str, str]) -> float:
        component = "gateway" if metric.startswith("levain_gateway") else "training"
        return sum(sample(self.release.metrics(pod), metric, **labels) for pod in self.release.names(component))

    async def until_reached(self) -> None:
        """The rules of a Service take a moment until they hold."""

        async def answers() -> bool:
            with suppress(aiohttp.ClientConnectionError):
                async with self.session.get(f"{self.url}/"):
                    return True
            return False

        async with asyncio.timeout(30):
            await looked(answers)

    async def upload(self, products: Sequence[str]) -> Client:
        client = self.client(self.namespace)
        await client.upload(sales_csv(list(products)))
        return client

    async def apply(self, job: Json) -> str:
        """A TrainingJob; the id of its job."""
        status, made = await self.call("POST", self._path(), job)
        assert status == 201, made
        return str(made["metadata"]["uid"])

    async def until_stored(self, job_id: str) -> None:
        """Until the service has the job, so that it may be watched."""
        client = self.client(self.namespace)
        async with asyncio.timeout(30):
            await looked(lambda: client.ask("GET", f"/jobs/{job_id}"), lambda answer: answer[0] != 404)

    async def resource(self, name: str) -> Json:
        status, found = await self.call("GET", self._path(name))
        assert status == 200, found
        return found

    async def ended(self, name: str, seconds: float) -> Json:
        async with asyncio.timeout(seconds):
            return await looked(lambda: self.resource(name), resources.has_ended)

    async def call(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        return await asyncio.to_thread(self.cluster.call, method, path, body)

    async def accounted(self, job_id: str, expected: Expected, witnesses: Sequence[Witness], *, codes: bool = True) -> Account:
        """When all viewers have seen the end. Fails where something was lost, doubled or wrong; `codes`: closes too."""
        seen = [await witness.end() for witness in witnesses]
        if not codes:
            for one in seen:
                one.codes.clear()
        client = self.client(self.namespace)
        job = await client.job(job_id)
        found = account(expected, Stored(job["seq"], await stored(client, job_id)), (), seen)
        found.recovered.clear()  # nobody recorded the events
        assert found.clean, found
        return found

    async def all_watch(self, viewers: int) -> None:
        async with asyncio.timeout(60):
            await looked(lambda: asyncio.to_thread(self.at_service, "viewers"), lambda watching: watching >= viewers)

    async def under_viewers(
        self, job_id: str, products: Sequence[str], viewers: int, change: Callable[[], Awaitable[None]]
    ) -> "Counter[int | None]":
        """So many watch while the change is made and until the job's end: all equal, and as the store has it. How connections ended."""
        screens = [Screen(self.client(self.namespace)) for _ in range(viewers)]
        watching = [asyncio.create_task(screen.watch(job_id)) for screen in screens]
        async with self.viewer_of(Witness, job_id, self.namespace) as witness:
            await change()
            await asyncio.wait_for(asyncio.gather(*watching), 200)
            await self.accounted(job_id, all_trained(products), [witness])
        assert len({screen.last for screen in screens}) == 1
        return Counter(code for screen in screens for code in screen.codes)

    def _path(self, name: str = "") -> str:
        return f"/apis/levain.dev/v1alpha1/namespaces/{self.namespace}/trainingjobs/{name}".rstrip("/")


class Watcher:
    """Sees a TrainingJob's progress grow; it must never go back."""

    def __init__(self, site: Site, name: str) -> None:
        self.percents: list[int] = []
        self._task = asyncio.create_task(self._watch(site, name))

    async def _watch(self, site: Site, name: str) -> None:
        while True:
            percent = resources.percent(await site.resource(name))
            if self.percents[-1:] != [percent]:
                self.percents.append(percent)
            await asyncio.sleep(0.3)

    async def seen(self) -> list[int]:
        self._task.cancel()
        await asyncio.wait({self._task})
        assert self._task.cancelled(), self._task.exception()
        return self.percents


def run(release: RunningRelease, scenario: Scenario) -> None:
    """In a namespace of its own."""
    namespace = f"bakery-{next_number()}"
    release.cluster.kubectl("create", "namespace", namespace)

    async def main() -> None:
        async with asyncio.timeout(LIMIT_SECONDS), aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            site = Site(release, session, namespace)
            await site.until_reached()
            await scenario(site)

    try:
        uvloop.run(main())
    finally:
        release.cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def sample(text: str, metric: str, **labels: str) -> float:
    """The sum of all samples with these labels; 0 where there is none."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return sum(s.value for s in samples if s.name == metric and labels.items() <= s.labels.items())


async def grown(read: Callable[[], Awaitable[int]], by: int, seconds: float = 60) -> None:
    """Until a number is greater by so much than it is now."""
    before = await read()
    async with asyncio.timeout(seconds):
        await looked(read, lambda now: now >= before + by)
