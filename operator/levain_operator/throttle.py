"""Which status is written when: one write at a time and one in an interval for each resource, and a limit on all of them.

Newest wins; an end is never lost and goes first. The clock is given: seconds that never go back.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

MAX_DELAY_SECONDS = 60.0  # between writes that fail

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Bucket:
    """Tokens that come at a rate, at most `burst` of them at once."""

    def __init__(self, per_second: float, burst: int) -> None:
        if per_second <= 0 or burst < 1:
            raise ValueError("a bucket needs a rate above 0 and a burst of at least 1")
        self._per_second = per_second
        self._burst = float(burst)
        self._tokens = self._burst
        self._at: float | None = None

    def take(self, now: float) -> bool:
        self._fill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def next_at(self, now: float) -> float:
        self._fill(now)
        return now if self._tokens >= 1 else now + (1 - self._tokens) / self._per_second

    def _fill(self, now: float) -> None:
        passed = 0.0 if self._at is None else max(now - self._at, 0.0)
        self._at = now if self._at is None else max(self._at, now)
        # A billionth: a caller that slept exactly until `next_at` is not to find 0.9999999 tokens.
        self._tokens = min(self._burst, self._tokens + passed * self._per_second + 1e-9)


class Write(NamedTuple, Generic[Key, Value]):
    key: Key
    value: Value
    ended: bool


@dataclass
class _Entry(Generic[Value]):
    """`pending` waits since `since` (a running number: who came first goes first). `last`: when its last write began.
    `failed`: writes in a row that did.
    """

    pending: tuple[Value, bool] | None = None
    since: int = 0
    last: float | None = None
    writing: bool = False
    ended: bool = False
    failed: int = 0


class Throttle(Generic[Key, Value]):
    """Holds one value a key, until `forget`. `made`, `merged`, `refused` count writes, values that a newer one replaced, and failures."""

    def __init__(self, *, interval_seconds: float, bucket: Bucket) -> None:
        self._interval = interval_seconds
        self._bucket = bucket
        self._entries: dict[Key, _Entry[Value]] = {}
        self._number = 0
        self.made = 0
        self.merged = 0
        self.refused = 0

    def offer(self, key: Key, value: Value, *, ended: bool = False) -> None:
        """What comes after an end and is none itself is dropped."""
        entry = self._entries.setdefault(key, _Entry())
        if entry.ended and not ended:
            self.merged += 1
            return
        entry.ended = ended
        if entry.pending is None:
            self._number += 1
            entry.since = self._number
        else:
            self.merged += 1
        entry.pending = (value, ended)

    def take(self, now: float) -> list[Write[Key, Value]]:
        """What is to be written now, in this order. Each is in flight until `done`."""
        writes = []
        for key, entry in sorted(self._ready(now), key=lambda item: (not item[1].ended, item[1].since)):
            if not self._bucket.take(now):
                break
            assert entry.pending is not None
            value, ended = entry.pending
            entry.pending, entry.writing, entry.last = None, True, now
            writes.append(Write(key, value, ended))
        return writes

    def done(self, write: Write[Key, Value], *, written: bool) -> None:
        """A write that failed waits again, longer each time, unless a newer value came meanwhile: that one waits as long."""
        entry = self._entries.get(write.key)
        if entry is None:
            return
        entry.writing = False
        if written:
            self.made += 1
            entry.failed = 0
            return
        self.refused += 1
        entry.failed += 1
        if entry.pending is None:
            self._number += 1
            entry.pending, entry.since = (write.value, write.ended), self._number

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._entries.pop(key, None)

    def next_at(self, now: float) -> float | None:
        """When `take` may have something; None while nothing waits."""
        free = [self._free_at(entry, now) for entry in self._entries.values() if entry.pending is not None and not entry.writing]
        return max(min(free), self._bucket.next_at(now)) if free else None

    def _ready(self, now: float) -> list[tuple[Key, _Entry[Value]]]:
        return [(k, e) for k, e in self._entries.items() if e.pending is not None and not e.writing and self._free_at(e, now) <= now]

    def _free_at(self, entry: _Entry[Value], now: float) -> float:
        if entry.last is None:
            return now
        return max(entry.last + min(self._interval * 2.0 ** min(max(entry.failed - 1, 0), 16), max(self._interval, MAX_DELAY_SECONDS)), now)
