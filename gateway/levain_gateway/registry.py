"""The tunnels of one gateway: how many there may be, and how they all end."""

import asyncio
import random
from collections import Counter
from typing import NamedTuple, Protocol

_GRACE_SECONDS = 2.0  # behind the window, for peers that answer late: the close takes at most one, a frame amid which it fell another
_LEAST_RETRY_WINDOW_MS = 1000


class Flow(NamedTuple):
    """What went through a tunnel since it was asked last, and whether its client reads too slowly now."""

    frames: int
    bytes_down: int
    bytes_up: int
    slow: bool


class FlowMetrics(Protocol):
    def tunnelled(self, *, frames: int, bytes_down: int, bytes_up: int) -> None: ...
    def slow_clients(self, count: int) -> None: ...


class Ending(Protocol):
    def restart(self, retry_ms: int) -> None: ...
    def abort(self) -> None: ...
    def settle(self) -> Flow: ...


class Tunnels:
    def __init__(self, *, limit: int | None, limit_per_tenant: int | None) -> None:
        self._limit = limit
        self._limit_per_tenant = limit_per_tenant
        self._present: set[Ending] = set()
        self._admitted: dict[Ending, str] = {}
        self._by_tenant: Counter[str] = Counter()
        self._empty = asyncio.Event()
        self._retry_window_ms = _LEAST_RETRY_WINDOW_MS
        self.draining = False

    def enter(self, tunnel: Ending) -> None:
        self._present.add(tunnel)
        self._empty.clear()

    def admit(self, tunnel: Ending, tenant_id: str) -> bool:
        """Takes one place of the tenant and of all, or answers False."""
        full = self._limit is not None and len(self._admitted) >= self._limit
        if full or (self._limit_per_tenant is not None and self._by_tenant[tenant_id] >= self._limit_per_tenant):
            return False
        self._admitted[tunnel] = tenant_id
        self._by_tenant[tenant_id] += 1
        return True

    def leave(self, tunnel: Ending) -> None:
        """For every tunnel that entered, once its client is gone."""
        self._present.discard(tunnel)
        tenant_id = self._admitted.pop(tunnel, None)
        if tenant_id is not None:
            self._by_tenant[tenant_id] -= 1
            if not self._by_tenant[tenant_id]:
                del self._by_tenant[tenant_id]
        if not self._present:
            self._empty.set()

    def settle(self, metrics: FlowMetrics) -> None:
        """Tells what went through all since the last time: counting each frame as it comes would cost more than passing it on."""
        flows = [tunnel.settle() for tunnel in self._present]
        frames, down, up, slow = (sum(column) for column in zip(*flows, strict=True)) if flows else (0, 0, 0, 0)
        metrics.tunnelled(frames=frames, bytes_down=down, bytes_up=up)
        metrics.slow_clients(slow)

    def retry_ms(self) -> int:
        """When to come back: anywhere in the window, so that not all come at once."""
        return random.randint(0, self._retry_window_ms)  # noqa: S311

    async def drain(self, window_seconds: float) -> None:
        """Asks each to end at a moment of its own in the window; after it and a grace, whoever is left is cut off."""
        self.draining = True
        self._retry_window_ms = max(_LEAST_RETRY_WINDOW_MS, int(window_seconds * 1000))
        loop = asyncio.get_running_loop()
        timers = [
            loop.call_later(random.uniform(0, window_seconds), tunnel.restart, self.retry_ms())  # noqa: S311
            for tunnel in list(self._present)
        ]
        if self._present:
            try:
                async with asyncio.timeout(window_seconds + _GRACE_SECONDS):
                    await self._empty.wait()
            except TimeoutError:
                pass
        for timer in timers:
            timer.cancel()
        for tunnel in list(self._present):
            tunnel.abort()
