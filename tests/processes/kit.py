"""A stack of processes for tests of its faults: witnesses that see every event and frame, what keeps its members up, and the accounting."""

import asyncio
import contextlib
import io
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import uvloop
from tests.e2e.processes import Processes, next_number, scraped
from tests.e2e.whole import Viewing, stored, until
from tests.polling import looked
from tests.processes.accounting import Account, Expected, Seen, Stored, account
from tests.training.harness import Client, sales_csv

from levain.client import Api
from levain.errors import ContactLost
from levain.scaled.member import Member
from levain.scaled.stack import ScaledStack
from levain_broker.rabbit import RabbitBroker
from levain_contracts import events, frames
from levain_contracts.events import Event
from levain_contracts.topics import WorkQueue
from levain_contracts.viewer import ViewerState

LIMIT_SECONDS = 58
HEAL_SECONDS = 5.0
SEED = "LEVAIN_TEST_SEED"

Scenario = Callable[["Faults"], Coroutine[Any, Any, None]]

# How soon what was lost is looked for: short, so that a test needs seconds; docs/settings.md has the defaults.
SOON = {
    "LEVAIN_SETTLED_SECONDS": "1",
    "LEVAIN_RECONCILE_SECONDS": "0.5",
    "LEVAIN_ANALYSIS_LEASE_SECONDS": "2",
    "LEVAIN_BATCH_LEASE_SECONDS": "10",
    "LEVAIN_BATCHES_OUT": "2",
    "LEVAIN_DRAIN_SECONDS": "0.5",
    "LEVAIN_BROKER_WATCHDOG_SECONDS": "2",
}


class Witness(Viewing):
    """A viewer that comes back after each cut, and keeps what it was told."""

    def __init__(self, api: Api, job_id: str) -> None:
        self.seen = Seen()
        super().__init__(api, job_id)

    def heard(self, text: str, state: ViewerState) -> None:
        super().heard(text, state)
        frame = frames.decode(text)
        if frame is not None:
            self.seen.frames.append(frame)
        self.seen.states.append(state)

    async def end(self) -> Seen:
        self.seen.end = await self.task
        return self.seen


class Faults(Processes):
    def __init__(self, stack: ScaledStack, session: aiohttp.ClientSession, number: int, broker_url: str) -> None:
        super().__init__(stack, session, number)
        self._broker_url = broker_url
        self.events: list[Event] = []
        seed = int(os.environ.get(SEED) or random.randrange(2**32))
        print(f"random choices by {SEED}={seed}")
        self.random = random.Random(seed)

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Every event, as one more replica would get it; on a link of its own."""

        def on_event(_: str, body: bytes) -> None:
            event = events.decode(body).event
            assert event is not None
            self.events.append(event)

        self.broker = RabbitBroker(self._broker_url, name="witness")
        async with self.broker.watch_events(on_event, lambda: None):
            await until(lambda: self.broker.problem() is None)
            yield
        await self.broker.close()

    @asynccontextmanager
    async def witnesses(self, job_id: str, each: int = 1) -> AsyncIterator[list[Witness]]:
        """So many viewers at each gateway."""
        async with contextlib.AsyncExitStack() as viewers:
            yield [
                await viewers.enter_async_context(self.viewer_of(Witness, job_id, port=port)) for port in self.ports for _ in range(each)
            ]

    async def start(self, job_id: str, products: Sequence[str], model: str = "slow", **spec: Any) -> Client:
        """As a client does that asks again until it knows: the answer of a replica that dies is lost."""
        client = self.client(port=self.port)
        body = sales_csv(list(products))
        await _insist(lambda: client.ask("POST", "/datasets/sales", data=io.BytesIO(body)))
        await _insist(lambda: client.ask("PUT", f"/jobs/{job_id}", json={"dataset": {"name": "sales"}, "model": model, **spec}))
        return client

    async def accounted(
        self, job_id: str, expected: Expected, witnesses: Iterable[Witness], client: Client, others: Iterable[Awaitable[Seen]] = ()
    ) -> Account:
        """When all viewers have seen the end. Fails where something was lost, doubled or wrong."""
        seen = [await witness.end() for witness in witnesses] + [await other for other in others]
        job = await client.job(job_id)
        await asyncio.sleep(0.2)  # what is doubled may come behind the end
        mine = [e for e in self.events if (e.tenant_id, e.job_id) == (self.tenant("anna"), job_id)]
        found = account(expected, Stored(job["seq"], await stored(client, job_id)), mine, seen)
        print(f"{job_id}: {len(found.recovered)} recovered {found.recovered[:5]}")
        assert found.clean, found
        return found

    async def depth(self, queue: WorkQueue) -> int:
        return await self.broker.depth(queue)

    def repairs_since(self) -> dict[str, float]:
        """What the replicas had to mend since the scenario began."""
        now = scraped(self.stack.replicas)
        mended = {
            dict(labels)["kind"]: value - self._before.get((name, labels), 0.0)
            for (name, labels), value in now.items()
            if name == "levain_training_repairs_total"
        }
        return {kind: count for kind, count in mended.items() if count}

    @staticmethod
    def at_one(member: Member, metric: str) -> float:
        return sum(value for (name, _), value in scraped([member]).items() if name == metric)


async def _insist(ask: Callable[[], Awaitable[tuple[int, Any]]]) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(aiohttp.ClientError, ContactLost, OSError):
                status, answer = await ask()
                if status < 300:
                    return
                assert status in (502, 503, 504), (status, answer)
            await asyncio.sleep(0.1)


@asynccontextmanager
async def kept_up(members: Sequence[Member]) -> AsyncIterator[None]:
    """What dies is started again, as Kubernetes would; at the end all are ready."""

    async def keep() -> None:
        while True:
            for member in members:
                if not member.running:
                    member.restarts += 1
                    member.launch()
            await asyncio.sleep(0.05)

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        for member in members:
            await back(member)
        keeping.cancel()


async def back(member: Member) -> None:
    """Ready again, once somebody has started it."""
    await looked(member.problems, lambda problems: not problems)


def run(stack: ScaledStack, broker_url: str, scenario: Scenario) -> None:
    async def main() -> None:
        async with asyncio.timeout(LIMIT_SECONDS), aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            faults = Faults(stack, session, next_number(), broker_url)
            async with faults.recording():
                await scenario(faults)

    uvloop.run(main())


def names(count: int, seconds: float) -> list[str]:
    return [f"Brot {i:02} {seconds:g}s" for i in range(count)]


def all_trained(products: Iterable[str]) -> Expected:
    return Expected(frozenset(products))
