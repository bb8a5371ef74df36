"""Each resource has its turn: once, by one worker, and again where it was asked for meanwhile."""

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from levain_operator.turns import Turns


def test_a_key_that_is_asked_for_often_comes_once_and_in_order() -> None:
    async def scenario() -> None:
        turns: Turns[str] = Turns()
        for key in "abca":
            turns.add(key)
        assert [await turns.take() for _ in range(3)] == ["a", "b", "c"]
        assert len(turns) == 3
        for key in "abc":
            turns.done(key)
        assert len(turns) == 0

    asyncio.run(scenario())


def test_a_key_that_is_asked_for_while_somebody_works_at_it_comes_again_after_that() -> None:
    async def scenario() -> None:
        turns: Turns[str] = Turns()
        turns.add("a")
        assert await turns.take() == "a"
        turns.add("a")
        turns.add("b")
        assert await turns.take() == "b"
        turns.done("a")
        assert await turns.take() == "a"

    asyncio.run(scenario())


def test_the_wait_that_was_set_last_counts_and_a_turn_ends_it() -> None:
    async def scenario() -> None:
        turns: Turns[str] = Turns()
        turns.add_after("a", 30)
        turns.add_after("a", 0.01)
        assert await asyncio.wait_for(turns.take(), 5) == "a"
        turns.done("a")
        turns.add_after("a", 0.01)
        turns.add("a")
        await turns.take()
        turns.done("a")
        await asyncio.sleep(0.03)
        assert len(turns) == 0

    asyncio.run(scenario())


@given(st.lists(st.sampled_from("abcd"), max_size=30), st.integers(1, 4), st.randoms(use_true_random=False))
def test_no_key_is_at_two_workers_and_none_that_was_asked_for_is_left_out(keys: list[str], workers: int, random: object) -> None:
    async def scenario() -> None:
        turns: Turns[str] = Turns()
        at_work: set[str] = set()
        done: Counter[str] = Counter()

        async def work() -> None:
            while True:
                key = await turns.take()
                assert key not in at_work
                at_work.add(key)
                await asyncio.sleep(0)
                at_work.discard(key)
                done[key] += 1
                turns.done(key)

        working = [asyncio.create_task(work()) for _ in range(workers)]
        for key in keys:
            before = done[key]
            turns.add(key)
            await asyncio.sleep(0)
            asked_last = (key, before)
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(turns) == 0
        assert done.keys() == set(keys)
        if keys:
            assert done[asked_last[0]] > asked_last[1]
        for task in working:
            task.cancel()
        await asyncio.wait(working)

    asyncio.run(scenario())
