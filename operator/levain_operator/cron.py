"""When a schedule is due: cron in a time zone. A time that does not exist comes when the clocks have jumped, one that is there twice once.

That is how Debian's cron has it, for expressions that name their hours and minutes; those that begin with a star follow real time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from levain_contracts.kubernetes.training_schedule import MAX_RECENT_TIMES

# How far back the newest time is looked for: step by step, since a schedule of minutes has half a million of them in a year.
_WINDOWS = (timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=366), timedelta(days=366 * 9))


class BadSchedule(ValueError):
    """The expression or the zone can't be understood, or names no time; the text is one line for whoever wrote it."""


class Cron:
    """Times are in UTC and at whole minutes."""

    def __init__(self, schedule: str, time_zone: str) -> None:
        """Raises `BadSchedule`."""
        if len(schedule.split()) != 5:
            raise BadSchedule(f"schedule {schedule[:100]!r}: expected five fields: minute, hour, day, month, day of the week")
        try:
            self._zone = ZoneInfo(time_zone)
        except (KeyError, ValueError, OSError):  # not found, no name at all, a folder of zones
            raise BadSchedule(f"timeZone {time_zone[:64]!r}: no time zone has this name") from None
        self._schedule = schedule
        try:
            first = next(CronSim(schedule, datetime(2000, 1, 1, tzinfo=UTC)), None)
        except CronSimError as error:
            raise BadSchedule(f"schedule {schedule[:100]!r}: {error}") from None
        if first is None:
            raise BadSchedule(f"schedule {schedule[:100]!r}: names no time within 50 years")

    def newest(self, since: datetime, until: datetime) -> datetime | None:
        """The newest time in (since, until]."""
        for window in _WINDOWS:
            begin = max(since, until - window)
            found = None
            for time in self._after(begin):
                if time > until:
                    break
                found = time
            if found is not None or begin == since:
                return found
        return None

    def next_after(self, time: datetime) -> datetime | None:
        return next(self._after(time), None)

    def _after(self, since: datetime) -> Iterator[datetime]:
        """Forwards only: backwards, the library never comes out of a day that a zone has left out."""
        try:
            for time in CronSim(self._schedule, since.astimezone(self._zone)):
                real = time.astimezone(UTC)
                # The library may name a minute of a day that a zone has left out (Samoa, 30 December 2011); its real time shows another.
                if real > since and real.astimezone(self._zone).replace(tzinfo=None) == time.replace(tzinfo=None):
                    yield real
        except OverflowError:  # the end of the calendar
            return


@lru_cache(maxsize=1024)
def parse(schedule: str, time_zone: str) -> Cron:
    """Raises `BadSchedule`."""
    return Cron(schedule, time_zone)


def due(cron: Cron, *, recent: tuple[datetime, ...], created_at: datetime, now: datetime, deadline_seconds: int | None) -> datetime | None:
    """The newest time that has come and was not dealt with: older ones that were missed are passed over.

    `recent`: the newest that were dealt with, as `remember` keeps them. Only those up to `now` count as past, so that a clock that was
    set forward and back again costs no time and repeats none.
    """
    past = [time for time in recent if time <= now]
    if past:
        since = max(past)
    elif len(recent) >= MAX_RECENT_TIMES:  # older ones may have been dealt with and be forgotten
        return None
    else:
        since = created_at
    if deadline_seconds is not None:
        since = max(since, now - timedelta(seconds=deadline_seconds, microseconds=1))
    return cron.newest(since, now)


def remember(recent: tuple[datetime, ...], *times: datetime) -> tuple[datetime, ...]:
    """The newest that were dealt with, in order."""
    return tuple(sorted({*recent, *times})[-MAX_RECENT_TIMES:])
