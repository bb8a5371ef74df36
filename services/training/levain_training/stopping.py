"""A polite end with a time limit: the worker asks for it, and all that waits in it looks here."""

import asyncio
import math


class Stop:
    """Asked at most once. `deadline` is on the loop's clock, infinite until then."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.deadline = math.inf

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    @property
    def over(self) -> bool:
        return asyncio.get_running_loop().time() >= self.deadline

    def ask(self, grace_seconds: float) -> None:
        self.deadline = min(self.deadline, asyncio.get_running_loop().time() + grace_seconds)
        self._asked.set()

    async def pause(self, seconds: float) -> None:
        """Sleeps; being asked ends a sleep, and sleeps after it are short."""
        if self.asked:
            await asyncio.sleep(min(seconds, 0.1))
            return
        try:
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        except TimeoutError:
            pass
