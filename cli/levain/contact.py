"""How long nothing was heard, and how long to wait before the next try: one per command, for HTTP and the socket alike."""

import random
import time
from collections.abc import Callable

from levain.errors import ContactLost

PATIENCE_SECONDS = 60.0
# A wrong address should not take a minute to say so; a stack that restarts is back sooner than this.
FIRST_PATIENCE_SECONDS = 5.0
BASE_SECONDS = 0.25
CAP_SECONDS = 5.0


class Contact:
    """Full-jitter backoff (each pause is uniform below a doubling bound), given up after `patience_seconds` of silence."""

    def __init__(
        self,
        patience_seconds: float = PATIENCE_SECONDS,
        *,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.ever = False
        self._patience, self._now, self._chance = patience_seconds, now, chance
        self._heard_at = now()
        self._lost_at = float("-inf")
        self._attempt = 0

    def heard(self) -> None:
        self.ever = True
        self._heard_at = self._now()

    def pause_seconds(self, why: str, asked_seconds: float | None = None) -> float:
        """How long to wait after a failed try, `asked_seconds` where the other side named it. Raises `ContactLost`."""
        now = self._now()
        silent, patience = now - self._heard_at, self._patience if self.ever else min(self._patience, FIRST_PATIENCE_SECONDS)
        if silent >= patience:
            raise ContactLost(f"{why}; gave up after {patience:g} s")
        # After a quiet while the next trouble is a new one.
        self._attempt = self._attempt + 1 if now - self._lost_at < 2 * CAP_SECONDS else 0
        self._lost_at = now
        if asked_seconds is None:
            return self._chance() * min(CAP_SECONDS, BASE_SECONDS * 2.0**self._attempt)
        # Who says when to come back is there: the silence counts from then on.
        self._heard_at = max(self._heard_at, now + asked_seconds)
        return asked_seconds
