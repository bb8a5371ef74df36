"""When a call that failed for a passing reason is made again: growing delays, spread between jobs, with a cap."""

import hashlib
from datetime import datetime, timedelta
from typing import NamedTuple

from levain_operator.observed import Trouble


class Backoff(NamedTuple):
    """`spread`: the part of a delay by which two jobs may differ, so that a thousand don't come back at once."""

    first_seconds: float = 1.0
    cap_seconds: float = 60.0
    spread: float = 0.2

    def delay_seconds(self, key: str, trouble: Trouble) -> float:
        doubled = self.first_seconds * 2.0 ** min(max(trouble.attempts - 1, 0), 32)
        asked_for = trouble.retry_after_seconds or 0.0
        return max(min(max(doubled, asked_for), self.cap_seconds) * (1 - self.spread * _share(key)), min(asked_for, self.cap_seconds))

    def retry_at(self, key: str, trouble: Trouble | None, now: datetime) -> datetime | None:
        """None where it may be tried at once: also when the clock was set back to before the trouble."""
        if trouble is None or now < trouble.at:
            return None
        at = trouble.at + timedelta(seconds=self.delay_seconds(key, trouble))
        return at if now < at else None


def _share(key: str) -> float:
    """0 to 1, the same for the same key."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") / 2**32
