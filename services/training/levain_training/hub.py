"""Bursts -> hub -> sockets: who watches which job, and what a slow viewer is sent. Pure: no I/O and no clock."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

JobKey = tuple[str, str]

# A snapshot is read in milliseconds; more than this in between means the viewer closes the gap by a read, as after any loss.
WAITING_FRAMES = 256


class Encoded(NamedTuple):
    """One frame, encoded once for all viewers: `wire` is the whole unmasked WebSocket frame.

    `happened_at`: the time of its event, in Unix seconds; None where it tells of no event.
    """

    seq: int
    terminal: bool
    wire: bytes
    happened_at: float | None = None


# One socket's way out. It never blocks; a full buffer is told by `Viewer.pause`.
Write = Callable[[bytes], None]


class Viewer:
    """One socket's share of a job's frames.

    Until `start` it holds what arrives (overflow `drop-oldest`). While it is paused, because its socket's buffer is full, only
    the newest frame is kept (overflow `newest-wins`), and `resume` sends it. A terminal frame counts as the newest.

    Each frame that it was offered before its end is sent, `conflated` (another took its place), `dropped`, or still held.
    """

    __slots__ = ("_newest", "_paused", "_waiting", "conflated", "dropped", "ended", "on_end", "open", "sent_bytes", "sent_frames", "write")

    def __init__(self, write: Write, on_end: Callable[[], None]) -> None:
        self.write = write
        self._waiting: deque[Encoded] | None = deque(maxlen=WAITING_FRAMES)
        self._newest: Encoded | None = None
        self._paused = False
        self.open = False
        self.on_end = on_end
        self.conflated = 0
        self.dropped = 0
        self.sent_frames = 0
        self.sent_bytes = 0
        self.ended = False

    @property
    def behind(self) -> bool:
        """True while a frame waits for the buffer to drain."""
        return self._newest is not None

    def start(self, *first: Encoded) -> int:
        """Sends the snapshot (and what follows it at once), then what arrived meanwhile and is newer. The newest `seq` of all."""
        waiting, self._waiting = self._waiting or (), None
        self.open = not self._paused
        for frame in first:
            self.offer(frame)
        known = max((f.seq for f in first), default=0)
        for frame in waiting:
            if frame.seq > known:
                self.offer(frame)
        return max((known, *(f.seq for f in waiting)))

    def offer(self, frame: Encoded) -> None:
        if not self.open:
            self._hold(frame)
            return
        self.write(frame.wire)
        self.sent_frames += 1
        self.sent_bytes += len(frame.wire)
        if frame.terminal:
            self.end()
            self.on_end()

    def end(self) -> None:
        """Nothing is written from now on."""
        self.open, self.ended = False, True
        if self._newest is not None:
            self._newest = None
            self.dropped += 1

    def _hold(self, frame: Encoded) -> None:
        if self._waiting is not None:
            self.dropped += len(self._waiting) == WAITING_FRAMES
            self._waiting.append(frame)
        elif not self.ended:
            held = self._newest
            self.conflated += held is not None
            if held is None or (frame.terminal, frame.seq) >= (held.terminal, held.seq):
                self._newest = frame

    def pause(self) -> None:
        """The outlet's buffer is over its budget."""
        self._paused, self.open = True, False

    def resume(self) -> None:
        """The outlet's buffer is empty enough again."""
        self._paused = False
        self.open = self._waiting is None and not self.ended
        frame, self._newest = self._newest, None
        if frame is not None:
            self.offer(frame)


class Hub:
    """Hands frames to every viewer of their job, in the order of the calls, and to nobody else."""

    def __init__(self) -> None:
        self._viewers: dict[JobKey, dict[Viewer, None]] = {}
        self._seen: dict[JobKey, int] = {}

    def add(self, key: JobKey, viewer: Viewer) -> None:
        self._viewers.setdefault(key, {})[viewer] = None

    def remove(self, key: JobKey, viewer: Viewer) -> None:
        viewers = self._viewers.get(key)
        if viewers is None or viewer not in viewers:
            return
        del viewers[viewer]
        if not viewers:
            del self._viewers[key]
            self._seen.pop(key, None)

    def deliver(self, key: JobKey, *frames: Encoded) -> int:
        """The number of viewers that they were offered to; one that takes all of them gets them in one write."""
        if key in self._viewers:
            self._seen[key] = max(self._seen.get(key, 0), *(f.seq for f in frames))
        # A copy: a terminal frame's `on_end` may remove its viewer.
        viewers = tuple(self._viewers.get(key, ()))
        terminal = any(f.terminal for f in frames)
        wire = b"".join(f.wire for f in frames)
        count, size_bytes = len(frames), len(wire)
        for viewer in viewers:
            # `Viewer.offer`, unrolled: with a thousand viewers its call costs a fifth of our share of the work (docs/performance.md).
            if viewer.open and not terminal:
                viewer.write(wire)
                viewer.sent_frames += count
                viewer.sent_bytes += size_bytes
            else:
                for frame in frames:
                    viewer.offer(frame)
        return len(viewers)

    def watched(self, key: JobKey) -> bool:
        return key in self._viewers

    def joined(self, key: JobKey, seq: int) -> None:
        """One viewer of this job has begun and knows it up to `seq`. The others may be behind, so that this raises nothing."""
        if key in self._viewers:
            self._seen[key] = min(seq, self._seen.get(key, seq))

    def seen(self) -> dict[JobKey, int]:
        """The newest `seq` that all viewers of a job know, for each job that has some."""
        return {key: self._seen.get(key, 0) for key in self._viewers}

    def viewers(self) -> list[Viewer]:
        return [viewer for viewers in self._viewers.values() for viewer in viewers]
