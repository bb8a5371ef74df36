"""Which days to come a shop is expected to be closed: as given, else as its weekdays and holidays were before. Pure."""

from collections.abc import Sequence
from datetime import date

from levain_contracts.tasks import ShopCalendar
from levain_training.forecasting.history import weekdays_closed


def expected_open(calendar: ShopCalendar, start: date, coming: Sequence[date]) -> list[bool]:
    """For each day of `coming` (in order), as known on the eve of the first one of a shop that is known from `start` on."""
    past = frozenset(day for day in (*calendar.closed, *calendar.given_closed) if start <= day < coming[0])
    weekdays = weekdays_closed(past, start, coming[0]) if past else frozenset()
    shut = {day for day in coming if day.weekday() in weekdays}
    if past and calendar.holidays:
        shut |= _closed_holidays(calendar, past, start, coming)
    shut = (shut | set(calendar.given_closed)) - set(calendar.given_open)
    return [day not in shut for day in coming]


def _closed_holidays(calendar: ShopCalendar, past: frozenset[date], start: date, coming: Sequence[date]) -> set[date]:
    """Days with a label on every earlier day of which the shop was closed."""
    before: dict[str, list[bool]] = {}
    for marked in calendar.holidays:
        if start <= marked.date < coming[0]:
            before.setdefault(marked.label, []).append(marked.date in past)
    always = {label for label, shut in before.items() if all(shut)}
    wanted = set(coming)
    return {marked.date for marked in calendar.holidays if marked.date in wanted and marked.label in always}
