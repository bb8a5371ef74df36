"""TCP proxies between a stack's processes and their servers, on a loop and thread of their own: they outlive the loops of the tests."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

from tests.e2e.cutting_proxy import CuttingProxy, proxying


class Link:
    """A proxy, for all who connect through it, or several as one. What a method does has happened when it returns."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *proxies: CuttingProxy) -> None:
        self._loop, self._proxies = loop, proxies
        self.port = proxies[0].port

    def with_(self, other: "Link") -> "Link":
        return Link(self._loop, *self._proxies, *other._proxies)

    def cut(self) -> None:
        """Every open connection is reset; the next ones work."""
        self._each(CuttingProxy.cut)

    def refuse(self) -> None:
        """Nobody listens, until `mend`."""
        self._each(CuttingProxy.refuse)

    def black_hole(self) -> None:
        """Connections, open and new, are accepted and silent, until `mend`."""
        self._each(CuttingProxy.stall)

    def half_open(self) -> None:
        """Every open connection is silent for ever; the next ones work."""
        self._each(CuttingProxy.half_open)

    def mend(self) -> None:
        async def mended() -> None:
            for proxy in self._proxies:
                await proxy.heal()

        asyncio.run_coroutine_threadsafe(mended(), self._loop).result(10)

    def _each(self, act: Callable[[CuttingProxy], None]) -> None:
        async def acted() -> None:
            for proxy in self._proxies:
                act(proxy)

        asyncio.run_coroutine_threadsafe(acted(), self._loop).result(10)


@contextmanager
def links(*ports: int) -> Iterator[list[Link]]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="links")
    thread.start()
    resources = AsyncExitStack()

    async def opened() -> list[Link]:
        return [Link(loop, await resources.enter_async_context(proxying(port))) for port in ports]

    try:
        yield asyncio.run_coroutine_threadsafe(opened(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(resources.aclose(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
