"""Cron without a library, minute by minute: what `levain_operator.cron` must agree with."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
_RANGES = [range(60), range(24), range(1, 32), range(1, 13), range(7)]


def _field(text: str, values: range) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        term, _, step = part.partition("/")
        low, _, high = term.partition("-")
        if term == "*":
            first, last = values[0], values[-1]
        else:
            first = int(low)
            last = int(high) if high else (values[-1] if step else first)
        found |= {v % 7 if values == _RANGES[4] else v for v in range(first, last + 1, int(step or 1))}
    return found


class Clockwork:
    def __init__(self, schedule: str, zone: str) -> None:
        self._fields = schedule.split()
        self._zone = ZoneInfo(zone)
        self._minutes, self._hours, self._days, self._months, self._weekdays = map(_field, self._fields, _RANGES)
        self._by_wall_clock = not self._fields[0].startswith("*") and not self._fields[1].startswith("*")

    def _names(self, local: datetime) -> bool:
        day, weekday = local.day in self._days, (local.weekday() + 1) % 7 in self._weekdays
        starred = self._fields[2].startswith("*") or self._fields[4].startswith("*")
        on_day = (day and weekday) if starred else (day or weekday)
        return on_day and local.minute in self._minutes and local.hour in self._hours and local.month in self._months

    def between(self, since: datetime, until: datetime) -> list[datetime]:
        """Times in (since, until]."""
        times = self._walls(since, until) if self._by_wall_clock else self._reals(since, until)
        return sorted({t for t in times if since < t <= until})

    def _reals(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """Each real minute whose local time is named."""
        time = since.replace(second=0, microsecond=0)
        while time <= until:
            if self._names(time.astimezone(self._zone)):
                yield time
            time += MINUTE

    def _walls(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """Each wall clock's minute that is named, at the first real minute that shows it, or the first after the gap that it is in."""
        wall = (since - timedelta(days=2)).astimezone(self._zone).replace(tzinfo=None, second=0, microsecond=0)
        last = (until + timedelta(days=2)).astimezone(self._zone).replace(tzinfo=None)
        while wall <= last:
            if self._names(wall):
                yield self._real(wall)
            wall += MINUTE

    def _real(self, wall: datetime) -> datetime:
        while True:
            real = wall.replace(tzinfo=self._zone, fold=0).astimezone(UTC)
            if real.astimezone(self._zone).replace(tzinfo=None) == wall:
                return real
            wall += MINUTE
