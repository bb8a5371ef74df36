"""Frames of one moment: joined, never held back for long, in order, and none behind the terminal one."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from levain_training.bursts import MAX_FRAMES, MOMENT_SECONDS, Bursts
from levain_training.hub import Encoded, Hub, Viewer

KEY = ("anna", "job")


def frame(seq: int, terminal: bool = False) -> Encoded:
    return Encoded(seq, terminal, bytes((seq,)))


def watching(hub: Hub, key: tuple[str, str] = KEY) -> list[bytes]:
    """What a viewer's socket is given, write by write."""
    writes: list[bytes] = []
    viewer = Viewer(writes.append, lambda: None)
    viewer.start()
    hub.add(key, viewer)
    return writes


def run(scenario: Callable[[Hub, Bursts], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        hub = Hub()
        async with asyncio.timeout(20):
            await scenario(hub, Bursts(hub, lambda happened_at: None))

    uvloop.run(whole())


async def until(writes: list[bytes], wanted: list[bytes]) -> None:
    while writes != wanted:
        assert writes == wanted[: len(writes)]
        await asyncio.sleep(0.001)


def test_the_first_frame_goes_at_once_and_those_of_the_same_moment_in_one_write() -> None:
    async def scenario(hub: Hub, bursts: Bursts) -> None:
        writes = watching(hub)
        for seq in (1, 2, 3, 4):
            bursts.deliver(KEY, frame(seq))
            assert writes == [b"\1"]
        await until(writes, [b"\1", b"\2\3\4"])

    run(scenario)


def test_a_frame_after_a_quiet_moment_goes_at_once_again() -> None:
    async def scenario(hub: Hub, bursts: Bursts) -> None:
        writes = watching(hub)
        for seq in (1, 2, 3):
            bursts.deliver(KEY, frame(seq))
            assert writes == [bytes((n,)) for n in range(1, seq + 1)]
            await asyncio.sleep(5 * MOMENT_SECONDS)  # timers of one loop fire in their order, however late

    run(scenario)


def test_a_terminal_frame_takes_along_what_waits_and_nothing_follows_it() -> None:
    async def scenario(hub: Hub, bursts: Bursts) -> None:
        writes = watching(hub)
        for one in (frame(1), frame(2), frame(3, terminal=True), frame(4)):
            bursts.deliver(KEY, one)
        assert b"".join(writes) == b"\1\2\3"
        other = watching(hub)
        await until(other, [b"\4"])
        assert b"".join(writes) == b"\1\2\3"

    run(scenario)


def test_what_waits_is_bounded() -> None:
    async def scenario(hub: Hub, bursts: Bursts) -> None:
        writes = watching(hub)
        for seq in range(2 * MAX_FRAMES + 1):
            bursts.deliver(KEY, frame(seq))
        assert [len(w) for w in writes] == [1, MAX_FRAMES, MAX_FRAMES]
        assert b"".join(writes) == bytes(range(2 * MAX_FRAMES + 1))

    run(scenario)


def test_one_jobs_moment_is_not_anothers() -> None:
    async def scenario(hub: Hub, bursts: Bursts) -> None:
        ours, theirs = watching(hub), watching(hub, ("bert", "job"))
        bursts.deliver(KEY, frame(1))
        bursts.deliver(("bert", "job"), frame(9))
        bursts.deliver(KEY, frame(2))
        assert theirs == [b"\x09"]
        await until(ours, [b"\1", b"\2"])
        assert theirs == [b"\x09"]

    run(scenario)
