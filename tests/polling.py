"""How tests wait for something that they have to ask for again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_FIRST_SECONDS = 0.01
_GROWTH = 1.5
_LAST_SECONDS = 0.1


async def looked(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool] = bool) -> T:
    """What it sees once that is wanted; the caller sets the limit of time.

    Ever longer pauses: a look at a job's state or a metric is a request that costs some 5 ms of processor, which others wait for.
    """
    pause_seconds = _FIRST_SECONDS
    while not wanted(seen := await look()):
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * _GROWTH, _LAST_SECONDS)
    return seen
