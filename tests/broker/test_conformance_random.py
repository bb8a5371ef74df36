"""Whatever is sent, consumed, settled, lost and left, in any order: each message is in one place until it is acknowledged."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.broker.harness import DEAD, RESULTS, TASKS, WAIT_SECONDS, Adapter, Hands, Harness, memory, rabbit, run

from levain_broker.ports import Broker, Delivery
from levain_contracts.topics import WorkQueue

CONSUMERS = 2
Step = tuple[str, int]
STEP = st.tuples(st.sampled_from(["send", "send", "enter", "leave", "ack", "ack", "give_back", "cut"]), st.integers(0, 9))
STEPS = st.lists(STEP, max_size=40)


class Model:
    """Plays steps on the port and knows what must be where."""

    def __init__(self, h: Harness, queue: WorkQueue, sender: Broker, clients: list[Broker], settles: int) -> None:
        self.h, self.queue, self.sender, self.clients, self.settles = h, queue, sender, clients, settles
        self.hands = [Hands() for _ in clients]
        self.entered: list[AsyncExitStack | None] = [None] * len(clients)
        self.sent, self.acked = 0, set[bytes]()

    async def play(self, step: Step) -> None:
        action, n = step
        await getattr(self, action)(n)
        for more in reversed(range(self.settles + 1)):
            await self.h.quiet()
            try:
                await self.check()
            except AssertionError:  # on its way between a real broker and its clients a message is in no place for a moment
                if not more:
                    raise
            else:
                break

    async def send(self, n: int) -> None:
        await self.sender.send(self.queue, b"%d" % self.sent)
        self.sent += 1

    async def enter(self, n: int) -> None:
        at = n % len(self.clients)
        if self.entered[at] is None:
            self.entered[at] = stack = AsyncExitStack()
            await stack.enter_async_context(self.clients[at].consume(self.queue, self.hands[at].take, prefetch=1 + n // 3))

    async def leave(self, n: int) -> None:
        at = n % len(self.clients)
        if (stack := self.entered[at]) is not None:
            self.entered[at] = None
            self.hands[at].deliveries.clear()
            await stack.aclose()

    async def cut(self, n: int) -> None:
        at = n % len(self.clients)
        await self.h.break_link(self.clients[at])
        self.hands[at].deliveries.clear()
        await self.h.mend(self.clients[at])

    async def ack(self, n: int) -> None:
        if (delivery := self._pick(n)) is not None:
            self.acked.add(delivery.body)
            await delivery.ack()

    async def give_back(self, n: int) -> None:
        if (delivery := self._pick(n)) is not None:
            await delivery.give_back()

    def _pick(self, n: int) -> Delivery | None:
        deliveries = self.hands[n % len(self.hands)].deliveries
        return deliveries.pop(n % len(deliveries)) if deliveries else None

    async def check(self) -> None:
        unsettled = [body for hands in self.hands for body in hands.bodies]
        assert len(set(unsettled)) == len(unsettled), "a message is in two hands"
        assert not self.acked & set(unsettled), "an acknowledged message came back"
        waiting = await self.sender.depth(self.queue) + (await self.sender.depth(DEAD) if self.queue is TASKS else 0)
        assert waiting + len(unsettled) + len(self.acked) == self.sent

    async def drain(self) -> list[bytes]:
        """All that the broker holds, once every consumer has left."""
        for at in range(len(self.clients)):
            await self.leave(at)
        await self.h.quiet()
        rest = Hands()
        async with self.sender.consume(self.queue, rest.take, prefetch=1000), self.sender.consume(DEAD, rest.take, prefetch=1000):
            async with asyncio.timeout(WAIT_SECONDS):
                while await self.sender.depth(self.queue) or await self.sender.depth(DEAD):
                    await asyncio.sleep(0)
            await self.h.quiet()
            return rest.bodies


def play(adapter: Adapter, queue: WorkQueue, steps: list[Step], *, settles: int) -> None:
    """`settles`: how often a check may be made again, since a message is on its way."""

    async def scenario(h: Harness) -> None:
        model = Model(h, queue, await h.client(), [await h.client() for _ in range(CONSUMERS)], settles)
        for step in steps:
            await model.play(step)
        left = await model.drain()
        assert sorted([*left, *model.acked]) == sorted(b"%d" % i for i in range(model.sent))

    run(adapter, scenario)


on_each_queue = pytest.mark.parametrize("queue", [TASKS, RESULTS], ids=str)


@on_each_queue
@settings(max_examples=80, deadline=None)
@given(steps=STEPS)
def test_each_message_is_in_exactly_one_place_until_it_is_acknowledged(queue: WorkQueue, steps: list[Step]) -> None:
    play(memory, queue, steps, settles=0)


@pytest.mark.servers
@on_each_queue
@settings(max_examples=5, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=10, max_size=20))
def test_each_message_is_in_one_place_on_a_real_broker_too(amqp_url: str, queue: WorkQueue, steps: list[Step]) -> None:
    """Few examples: a step takes a tenth of a second, and a cut half a second."""
    play(partial(rabbit, amqp_url), queue, steps, settles=50)
