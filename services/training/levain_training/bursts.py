"""Consumer -> bursts -> hub: frames of one moment become one write for each viewer. A write costs the kernel the same whatever its size."""

import asyncio
from collections.abc import Callable

from levain_training.hub import Encoded, Hub, JobKey

# Nobody sees a hundredth of a second; a chunk of results comes within some of them.
MOMENT_SECONDS = 0.01
# So few that all of them are no more than a viewer's budget, even if each is large.
MAX_FRAMES = 16


class Bursts:
    """A job's first frame goes on at once; what follows waits for the moment's end, at most `MAX_FRAMES`. A terminal one never waits."""

    def __init__(self, hub: Hub, written: Callable[[float], None]) -> None:
        """`written` is told the `happened_at` of each frame that has gone to its job's viewers."""
        self._hub = hub
        self._written = written
        self._waiting: dict[JobKey, list[Encoded]] = {}

    def deliver(self, key: JobKey, frame: Encoded) -> None:
        """Needs a running loop."""
        waiting = self._waiting.get(key)
        if waiting is None:
            self._deliver(key, [frame])
            self._begin_moment(key)
            return
        waiting.append(frame)
        if frame.terminal or len(waiting) == MAX_FRAMES:
            self._deliver(key, waiting)
            waiting.clear()

    def _deliver(self, key: JobKey, together: list[Encoded]) -> None:
        if self._hub.deliver(key, *together):
            for frame in together:
                if frame.happened_at is not None:
                    self._written(frame.happened_at)

    def _begin_moment(self, key: JobKey) -> None:
        self._waiting[key] = []
        asyncio.get_running_loop().call_later(MOMENT_SECONDS, self._end_moment, key)

    def _end_moment(self, key: JobKey) -> None:
        waiting = self._waiting.pop(key)
        if waiting:
            self._deliver(key, waiting)
            self._begin_moment(key)
