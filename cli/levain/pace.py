"""Products a second and the time left, from how many ended when. Pure: the caller brings the clock."""

from collections import deque

WINDOW_SECONDS = 30.0
_MIN_SECONDS = 0.5  # a rate over less than this is noise
_MAX_POINTS = 256


class Pace:
    """The rate over the last half minute. Points closer than a tenth of a second are one."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque(maxlen=_MAX_POINTS)
        self._moving = False

    def at(self, now: float, ended: int) -> None:
        if not self._moving and self._points and ended > self._points[0][1]:
            # Counted from the first product's end: what came before it was start-up.
            self._moving = True
            self._points.clear()
        while len(self._points) > 1 and now - self._points[1][0] > WINDOW_SECONDS:
            self._points.popleft()
        if len(self._points) > 1 and now - self._points[-1][0] < WINDOW_SECONDS / _MAX_POINTS:
            return
        self._points.append((now, ended))

    def per_second(self, now: float, ended: int) -> float | None:
        """None as long as nothing can be said."""
        if not self._points or now - self._points[0][0] < _MIN_SECONDS:
            return None
        since, before = self._points[0]
        return (ended - before) / (now - since) or None

    def seconds_left(self, now: float, ended: int, total: int | None) -> float | None:
        per_second = self.per_second(now, ended)
        return None if per_second is None or total is None else max(0, total - ended) / per_second
