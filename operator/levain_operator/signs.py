"""Signs of life: when each loop of the operator last gave one."""

import time
from collections.abc import Callable


class Signs:
    """When each loop last gave a sign of life, in seconds of a clock that never goes back. Ages are what liveness goes by."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at: dict[str, float] = {}

    def give(self, loop: str) -> None:
        self._at[loop] = self._clock()

    def ages(self) -> dict[str, float]:
        now = self._clock()
        return {loop: now - at for loop, at in self._at.items()}
