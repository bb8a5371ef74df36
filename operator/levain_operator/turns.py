"""Whose turn it is: a key that was asked for often comes once, and no two workers have the same key. Kubernetes calls it a work queue."""

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Turns(Generic[Key]):
    """Of one event loop. First come, first served."""

    def __init__(self) -> None:
        self._waiting: dict[Key, None] = {}
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._working)

    def add(self, key: Key) -> None:
        """Asked for while somebody works at it, it comes once more after that."""
        if key in self._working:
            self._again.add(key)
            return
        self._waiting[key] = None
        self._some.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """In place of what was set before for this key: the plan made last knows best."""
        self._drop_timer(key)
        self._timers[key] = asyncio.get_running_loop().call_later(max(seconds, 0.0), self._ring, key)

    async def take(self) -> Key:
        """The next key. It is the caller's until `done`."""
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        key = next(iter(self._waiting))
        del self._waiting[key]
        self._working.add(key)
        self._drop_timer(key)
        return key

    def done(self, key: Key) -> None:
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _ring(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _drop_timer(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
