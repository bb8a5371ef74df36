"""The whole embedded stack for one scenario, callers that come through its gateway, and the comparison of a viewer with the store."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
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

_END_FIELDS = [f.name for f in fields(ProductEnd)]
LIMIT_SECONDS = 40  # below the limit of a test, so that the stack is stopped in order


@dataclass
class Whole:
    stack: EmbeddedStack
    session: aiohttp.ClientSession

    def client(self, tenant: str = "anna", role: Role = Role.TRAINER, *, port: int | None = None, seconds: float = 600) -> Client:
        """One tenant's caller at the gateway, or at `port`; its token lives for `seconds`."""
        base = f"http://127.0.0.1:{port or self.stack.gateway.port}/api/v1/tenants/{tenant}/training"
        return Client(self.session, base, self.stack.token(tenant, role, hours=seconds / 3600))

    def at_service(self, metric: str, **labels: str) -> float:
        return _sample(self.stack.service.metrics.registry, f"levain_training_{metric}", labels)

    def at_gateway(self, metric: str, **labels: str) -> float:
        return _sample(self.stack.gateway.metrics.registry, f"levain_gateway_{metric}", labels)

    @property
    def open_sockets(self) -> tuple[float, float]:
        """As the gauges of gateway and service have it."""
        return self.at_gateway("websockets_open"), self.at_service("viewers")

    @asynccontextmanager
    async def viewer(self, job_id: str, tenant: str = "anna", port: int | None = None) -> AsyncIterator["Viewing"]:
        """The real client's loop in a task, at the gateway or at `port`: it comes back after a cut."""
        url = f"http://127.0.0.1:{port or self.stack.gateway.port}"
        async with connected(Target(url, self.stack.token(tenant), tenant), Contact()) as api:
            viewing = Viewing(api, job_id)
            try:
                yield viewing
            finally:
                viewing.task.cancel()
                await asyncio.wait({viewing.task})


def _sample(registry: Any, name: str, labels: dict[str, str]) -> float:
    value = registry.get_sample_value(name, labels)
    assert value is not None, (name, labels)
    return float(value)


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


def run(scenario: Callable[[Whole], Coroutine[Any, Any, None]], folder: Path, **options: Any) -> None:
    """One scenario on a stack of its own. The options are those of `EmbeddedStack`."""

    async def main() -> None:
        async with asyncio.timeout(LIMIT_SECONDS), embedded.running(folder, **options) as stack, aiohttp.ClientSession() as session:
            await scenario(Whole(stack, session))

    # The loop of the real processes.
    uvloop.run(main())


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


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
