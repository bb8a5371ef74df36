"""A whole stack for one scenario, callers that come through its gateways, and the comparison of a viewer with the store."""

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import uvloop
from tests.polling import looked
from tests.training.harness import Client

from levain import embedded
from levain.client import Api, connected
from levain.contact import Contact
from levain.embedded import EmbeddedStack
from levain.live import LiveJob
from levain.target import Target
from levain_contracts.claims import Role
from levain_contracts.frames import Stage
from levain_contracts.jobs import JobState
from levain_contracts.persistent import Growing
from levain_contracts.viewer import Failure, ProductEnd, ViewerState, same_for_viewers

V = TypeVar("V", bound="Viewing")

_END_FIELDS = [f.name for f in fields(ProductEnd)]
LIMIT_SECONDS = 40  # below the limit of a test, so that the stack is stopped in order


class Viewing:
    """A viewer's loop, and what it was told."""

    def __init__(self, api: Api, job_id: str) -> None:
        self.notes: list[str] = []
        self.heard_frames = 0
        self.live = LiveJob(api, job_id, self, Contact())
        self.task = asyncio.create_task(self.live.run())

    def heard(self, text: str, state: ViewerState) -> None:
        self.heard_frames += 1

    def beat(self, state: ViewerState) -> None:
        pass

    def note(self, line: str) -> None:
        self.notes.append(line)


class Whole(ABC):
    """What a scenario may use on any stack. Tenants have a name of their own on each, see `tenant`; metrics count from its start."""

    session: aiohttp.ClientSession
    host = "127.0.0.1"  # of the gateways

    @property
    @abstractmethod
    def ports(self) -> list[int]:
        """Of the gateways."""

    @abstractmethod
    def token(self, tenant: str, role: Role = Role.TRAINER, *, hours: float = 24) -> str: ...

    @abstractmethod
    def _sum(self, metric: str, labels: dict[str, str]) -> float:
        """Over all processes that have it."""

    def tenant(self, name: str) -> str:
        return name

    @cached_property
    def _ports_in_turn(self) -> Iterator[int]:
        return itertools.cycle(self.ports)

    @property
    def port(self) -> int:
        return self.ports[0]

    def client(self, tenant: str = "anna", role: Role = Role.TRAINER, *, port: int | None = None, seconds: float = 600) -> Client:
        """One tenant's caller at the gateways in turn, or at `port`; its token lives for `seconds`."""
        tenant = self.tenant(tenant)
        base = f"http://{self.host}:{port or next(self._ports_in_turn)}/api/v1/tenants/{tenant}/training"
        return Client(self.session, base, self.token(tenant, role, hours=seconds / 3600))

    def at_service(self, metric: str, **labels: str) -> float:
        return self._sum(f"levain_training_{metric}", labels)

    def at_gateway(self, metric: str, **labels: str) -> float:
        return self._sum(f"levain_gateway_{metric}", labels)

    @property
    def open_sockets(self) -> tuple[float, float]:
        """As the gauges of gateway and service have it."""
        return self.at_gateway("websockets_open"), self.at_service("viewers")

    def viewer(self, job_id: str, tenant: str = "anna", port: int | None = None) -> AbstractAsyncContextManager[Viewing]:
        return self.viewer_of(Viewing, job_id, tenant, port)

    @asynccontextmanager
    async def viewer_of(self, kind: type[V], job_id: str, tenant: str = "anna", port: int | None = None) -> AsyncIterator[V]:
        """The real client's loop in a task, at the gateways in turn or at `port`: it comes back after a cut."""
        url, tenant = f"http://{self.host}:{port or next(self._ports_in_turn)}", self.tenant(tenant)
        async with connected(Target(url, self.token(tenant), tenant), Contact()) as api:
            viewing = kind(api, job_id)
            try:
                yield viewing
            finally:
                viewing.task.cancel()
                await asyncio.wait({viewing.task})


class Embedded(Whole):
    """The stack of `levain up`, in the test's own process."""

    def __init__(self, stack: EmbeddedStack, session: aiohttp.ClientSession) -> None:
        self.stack, self.session = stack, session

    @property
    def ports(self) -> list[int]:
        return [self.stack.gateway.port]

    def token(self, tenant: str, role: Role = Role.TRAINER, *, hours: float = 24) -> str:
        return self.stack.token(tenant, role, hours=hours)

    def _sum(self, metric: str, labels: dict[str, str]) -> float:
        process = self.stack.gateway if metric.startswith("levain_gateway") else self.stack.service
        value = process.metrics.registry.get_sample_value(metric, labels)
        assert value is not None, (metric, labels)
        return value


Scenario = Callable[[Whole], Coroutine[Any, Any, None]]
OnStack = Callable[[Scenario], None]


def run(scenario: Callable[[Embedded], Coroutine[Any, Any, None]], folder: Path, **options: Any) -> None:
    """One scenario on an embedded stack of its own. The options are those of `EmbeddedStack`."""

    async def main() -> None:
        async with asyncio.timeout(LIMIT_SECONDS), embedded.running(folder, **options) as stack, aiohttp.ClientSession() as session:
            await scenario(Embedded(stack, session))

    # The loop of the real processes.
    uvloop.run(main())


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async def holds() -> bool:
        return condition()

    async with asyncio.timeout(seconds):
        await looked(holds)


async def stored(client: Client, job_id: str) -> ViewerState:
    """The viewer's state as the store has it, read over REST."""
    job = await client.job(job_id)
    products: Growing[ProductEnd] = Growing()
    for p in await _products(client, job_id):
        if p["status"] != "pending":
            products = products.plus(p["product_id"], ProductEnd(**{name: p[name] for name in _END_FIELDS}))
    return ViewerState(
        stage=Stage(job["stage"]),
        state=JobState(job["state"]),
        progress=job["progress"],
        products_completed=job["products_completed"],
        products_failed=job["products_failed"],
        total_products=job["total_products"],
        failures=tuple(Failure(**f) for f in job["failures"]),
        products=products,
        reason=job["reason"],
    )


async def _products(client: Client, job_id: str) -> list[Any]:
    items: list[Any] = []
    after: str | None = "0"
    while after is not None:
        status, page = await client.ask("GET", f"/jobs/{job_id}/products?limit=1000&after={after}")
        assert status == 200
        items, after = items + page["items"], page["next"]
    return items


async def assert_equal_to_store(states: Iterable[ViewerState], client: Client, job_id: str) -> None:
    truth = await stored(client, job_id)
    assert truth.products_completed == len(truth.products)
    for state in states:
        assert same_for_viewers(state, truth), (state, truth)
