"""A job that goes through a fault: who says that it is there, how soon all is level again, and what it cost."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from tests.e2e.whole import stored
from tests.polling import looked
from tests.processes.accounting import Seen
from tests.processes.kit import HEAL_SECONDS, Faults, Witness, all_trained
from tests.training.harness import Client

from levain.scaled.member import Member
from levain_contracts.viewer import ViewerState

_POLL_SECONDS = 0.1


class Trial:
    """One job with two viewers at each gateway: two come back where they are cut, and two report that their sockets stayed open."""

    def __init__(self, faults: Faults, job_id: str, products: Sequence[str], client: Client, witnesses: list[Witness]) -> None:
        self.faults, self.job_id, self.products, self.client, self.witnesses = faults, job_id, products, client, witnesses
        self._back_at = 0.0

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def says(self, what: str) -> None:
        """Prints it with the time since `is_back`."""
        print(f"{self.job_id}: {what} after {self._now - self._back_at:.1f} s")

    async def some_have_ended(self, count: int = 2) -> None:
        await self.client.wait_for(self.job_id, lambda job: job["products_completed"] >= count)

    async def not_ready(self, members: Iterable[Member], seconds: float, about: str = "") -> None:
        """Each says so itself within so many seconds, and why. All are watched at once: one may be back before another notices."""
        began = self._now

        async def says_so(member: Member) -> None:
            await looked(member.problems, lambda problems: any(about in problem for problem in problems))

        async with asyncio.timeout(seconds):
            await asyncio.gather(*map(says_so, members))
        print(f"{self.job_id}: not ready after {self._now - began:.1f} s")

    def is_back(self) -> None:
        """From here on the time runs in which all must be level."""
        self._back_at = self._now

    async def level(self, members: Iterable[Member] = (), *, seconds: float = HEAL_SECONDS) -> None:
        """All viewers know what the store has, and the members are ready, within so many seconds of `is_back`."""
        async with asyncio.timeout_at(self._back_at + seconds):
            while not await self._all_know():
                await asyncio.sleep(_POLL_SECONDS)
            self.says("viewers are level")
            for member in members:
                while await member.problems():
                    await asyncio.sleep(_POLL_SECONDS)
        self.says("viewers are level and members ready")

    async def goes_on(self) -> None:
        """What is asked for now is trained; of the job itself all may have been trained during the fault."""
        job_id = f"{self.job_id}-then"
        await self.client.start(job_id, "instant")
        assert (await self.client.ended(job_id))["state"] == "completed"
        self.says("more is trained")

    async def _all_know(self) -> bool:
        status, _ = await self.client.ask("GET", f"/jobs/{self.job_id}")
        if status == 503:
            return False
        truth = await stored(self.client, self.job_id)
        return all(_knows(witness.live.state, truth) for witness in self.witnesses)


def _knows(viewer: ViewerState, truth: ViewerState) -> bool:
    counted = viewer.progress >= truth.progress and viewer.products_completed >= truth.products_completed
    return counted and dict(truth.products).keys() <= dict(viewer.products).keys() and viewer.ended >= truth.ended


async def _watch(client: Client, job_id: str) -> Seen:
    watched = await client.watch(job_id, seconds=60)
    return Seen(watched.frames, [], watched.state, [watched.code])


@asynccontextmanager
async def trial(faults: Faults, job_id: str, products: Sequence[str], *, port: int | None = None) -> AsyncIterator[Trial]:
    """`port`: of the gateway that its owner asks, else of the first.

    At the end the job has ended as expected, nothing is lost, and the sockets that were open before the fault were never cut.
    """
    await faults.start(job_id, products)
    client = faults.client(port=port or faults.port)
    steady = [asyncio.create_task(_watch(faults.client(port=port), job_id)) for port in faults.ports]
    try:
        async with faults.witnesses(job_id) as witnesses:
            it = Trial(faults, job_id, products, client, witnesses)
            yield it
            await faults.accounted(job_id, all_trained(products), witnesses, client, steady)
    finally:
        for watched in steady:
            watched.cancel()
        await asyncio.wait(steady)
