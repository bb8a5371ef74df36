"""Child processes for work that must not run on the loop: started when there is work, replaced after a limit, ended when idle."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from levain_training.child_link import Child, ChildDied, ChildSilent, start_child
from levain_training.worker_metrics import NullWorkerMetrics, WorkerMetrics

__all__ = ["Child", "ChildDied", "ChildPool", "ChildSilent", "PoolClosed"]

_CLOSE_SECONDS = 2.0
_INHERITED = "LEVAIN_EXTRA_TRAINERS"


class PoolClosed(Exception):
    pass


class ChildPool:
    """At most `max_children` at once; who asks for more waits.

    - `max_calls_per_child`: a child is replaced after so many calls, which bounds what libraries leak. Starting one costs
      3-5 s of imports, a call is about a second: at 100 that is 5 %.
    - `idle_seconds`: how long a child without work is kept; None for ever. 10 s bridge the pause between two batches, and an
      idle stack needs no memory for trainers.
    - `memory_limit_bytes`: of each child, None for no limit. 1 GiB is four times what statsforecast needs with its imports.
    - `niceness`: 5 lets live sockets of the same machine go first; 0 where somebody waits for the answer, since on a busy machine
      a nice process gets a third of what its neighbours get.
    - `environment`: what children inherit; None is this process's own. Names that start with `LEVAIN_` are left out, since
      they hold the passwords of broker and store, but for `LEVAIN_EXTRA_TRAINERS`.
    """

    def __init__(
        self,
        *,
        max_children: int,
        max_calls_per_child: int = 100,
        idle_seconds: float | None = 10.0,
        memory_limit_bytes: int | None = 1024 * 1024 * 1024,
        niceness: int = 5,
        environment: Mapping[str, str] | None = None,
        metrics: WorkerMetrics | None = None,
    ) -> None:
        self._room = asyncio.Semaphore(max_children)
        self._max_calls = max_calls_per_child
        self._idle_seconds = idle_seconds
        self._memory_limit_bytes = memory_limit_bytes
        self._niceness = niceness
        self._environment = _without_secrets(os.environ if environment is None else environment)
        self._metrics = metrics or NullWorkerMetrics()
        self._idle: dict[Child, asyncio.TimerHandle | None] = {}
        self._leased: set[Child] = set()
        self._starting = 0
        self._endings: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def empty(self) -> bool:
        """No child is there or starting."""
        return not (self._idle or self._leased or self._starting)

    @asynccontextmanager
    async def lease(self, *, fresh: bool = False) -> AsyncIterator[Child]:
        """A child for the caller alone, one that was never used if `fresh`.

        One whose call was not read to its end is killed on leaving. Raises `PoolClosed`.
        """
        async with self._room:
            child = await self._take(fresh)
            try:
                yield child
            except (ChildDied, ChildSilent) as error:
                self._metrics.child_died(error.reason)
                raise
            finally:
                self._leased.discard(child)
                self._put(child)

    async def warm(self, model: str, *, timeout_seconds: float = 60.0) -> None:
        """Starts a child ahead of work that may come soon and has it import what `model` needs; it waits `idle_seconds` for it."""
        async with self.lease() as child:
            async for _ in child.call("warm", model.encode(), silence_timeout_seconds=timeout_seconds):
                pass

    async def close(self) -> None:
        """Kills all children, those at work too. No process of the pool is left after it."""
        self._closed = True
        for child in [*self._idle, *self._leased]:
            self._forget_idle(child)
            child.kill()
            if child not in self._leased:
                self._end(child)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while self._leased or self._starting or self._endings:
                    await asyncio.sleep(0.01)

    async def _take(self, fresh: bool) -> Child:
        if self._closed:
            raise PoolClosed("the pool of child processes is closed")
        while self._idle:
            child = next(reversed(self._idle))  # the youngest, so that others get idle for long enough to end
            self._forget_idle(child)
            if not fresh and not child.spoilt:
                self._leased.add(child)
                return child
            self._end(child)
            if fresh:
                break  # one is enough: idle and leased ones together never exceed `max_children`
        child = await self._start()
        self._leased.add(child)
        return child

    async def _start(self) -> Child:
        self._starting += 1
        try:
            child = await start_child(self._environment, self._memory_limit_bytes, self._niceness)
        finally:
            self._starting -= 1
        self._metrics.child_started()
        if self._closed:
            self._end(child)
            raise PoolClosed("the pool of child processes was closed meanwhile")
        return child

    def _put(self, child: Child) -> None:
        if self._closed or child.spoilt or child.calls >= self._max_calls:
            self._end(child)
        elif self._idle_seconds is None:
            self._idle[child] = None
        else:
            self._idle[child] = asyncio.get_running_loop().call_later(self._idle_seconds, self._end_idle, child)

    def _end_idle(self, child: Child) -> None:
        self._forget_idle(child)
        self._end(child)

    def _forget_idle(self, child: Child) -> None:
        timer = self._idle.pop(child, None)
        if timer is not None:
            timer.cancel()

    def _end(self, child: Child) -> None:
        """Kills at once and reaps behind: nobody waits for an end."""
        child.kill()
        ending = asyncio.create_task(child.reap())
        self._endings.add(ending)
        ending.add_done_callback(self._ended)

    def _ended(self, ending: asyncio.Task[None]) -> None:
        self._endings.discard(ending)
        self._metrics.child_ended()


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("LEVAIN_") or name == _INHERITED}
