"""What is known of a shop's days: its closings as the sales show them, the tenant's calendar, public holidays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from levain_contracts.tasks import MAX_HISTORY_DAYS, MarkedDay, ShopCalendar
from levain_training.ingest import calendarfile, public_holidays
from levain_training.ingest.calendarfile import Given
from levain_training.ingest.daily import ShopDays
from levain_training.ingest.findings import Findings, counted
from levain_training.ingest.rows import Days
from levain_training.ingest.series import day_of, number_of


@dataclass(frozen=True)
class Surroundings:
    """What a job says beside its file. `calendar`: the path of the tenant's calendar file."""

    horizon_days: int = 0
    country: str | None = None
    subdivision: str | None = None
    calendar: Path | None = None


class Calendars:
    """The given days of all shops. `apply` first, then `of` each shop."""

    def __init__(self, around: Surroundings, findings: Findings) -> None:
        """Raises DataRefused `bad_calendar`."""
        self._around = around
        self._findings = findings
        self._given: Mapping[str | None, Given] = {} if around.calendar is None else calendarfile.read(around.calendar)

    def apply(self, shops: Mapping[str | None, ShopDays], last: int) -> dict[str | None, ShopDays]:
        """The shops' days as the calendar has them: given open days without sales up to day `last` are open and sold nothing;
        given closed days on which sales are merely unknown are closed; where there are sales, these win and that is noted."""
        strangers = sorted(shop for shop in self._given if shop is not None and shop not in shops)
        if strangers:
            self._findings.note(f"the calendar names shops without sales: {', '.join(strangers)}")
        contradicted: set[int] = set()
        applied = {}
        for name, shop in shops.items():
            given_open, given_closed = (_numbers(days) for days in (self._days(name, is_open=True), self._days(name, is_open=False)))
            contradicted |= set(np.intersect1d(given_closed, shop.opened).tolist())
            applied[name] = _with(shop, given_open, given_closed, last)
        if contradicted:
            days = counted(len(contradicted), "day")
            self._findings.note(f"the calendar says closed on {days} with sales, e.g. {day_of(min(contradicted))}: the sales count")
        return applied

    def of(self, shops: Sequence[ShopDays], first: int, last: int) -> list[ShopCalendar]:
        """For days from `first` to the horizon's end. Raises DataRefused for an unknown country or subdivision."""
        start, end = day_of(first), day_of(last) + timedelta(days=self._around.horizon_days)
        public = self._public(start, end)
        return [self._of(shop, public, start, end) for shop in shops]

    def _public(self, start: date, end: date) -> list[MarkedDay]:
        country, subdivision = self._around.country, self._around.subdivision
        if country is None:
            return []
        found = public_holidays.between(country, subdivision, start, end)
        place = country if subdivision is None else f"{country}-{subdivision}"
        self._findings.note(f"{counted(len(found), 'public holiday')} of {place} from {start} to {end}")
        return found

    def _of(self, shop: ShopDays, public: Sequence[MarkedDay], start: date, end: date) -> ShopCalendar:
        opened = {day_of(day) for day in shop.opened.tolist()}
        labelled = [*self._of_all.labelled, *(self._given[shop.shop].labelled if self._has_own(shop.shop) else ())]
        marked = {(day.date, day.label): day for day in (*public, *labelled) if start <= day.date <= end}
        return ShopCalendar(
            shop=shop.shop,
            closed=[day_of(day) for day in shop.closed().tolist()],
            given_closed=sorted(self._days(shop.shop, is_open=False) - opened)[:MAX_HISTORY_DAYS],
            given_open=sorted(self._days(shop.shop, is_open=True))[:MAX_HISTORY_DAYS],
            holidays=[marked[key] for key in sorted(marked)][:MAX_HISTORY_DAYS],
        )

    @property
    def _of_all(self) -> Given:
        return self._given.get(None, Given())

    def _has_own(self, shop: str | None) -> bool:
        return shop is not None and shop in self._given

    def _days(self, shop: str | None, *, is_open: bool) -> set[date]:
        """What is said of the shop itself wins over what is said of all."""
        days = set(self._of_all.open if is_open else self._of_all.closed)
        if self._has_own(shop):
            own = self._given[shop]
            days = (days - (own.closed if is_open else own.open)) | (own.open if is_open else own.closed)
        return days


def _numbers(days: set[date]) -> Days:
    return np.array(sorted(number_of(day) for day in days), dtype=np.int32)


def _with(shop: ShopDays, given_open: Days, given_closed: Days, last: int) -> ShopDays:
    if not shop.opened.size:
        return shop
    within = given_open[(given_open >= shop.opened[0]) & (given_open <= last)]
    unknown = np.setdiff1d(shop.unknown, np.setdiff1d(given_closed, shop.opened))
    # A day with rows of which none can be read stays unknown: that it was open is no news.
    return replace(shop, opened=np.union1d(shop.opened, np.setdiff1d(within, unknown)).astype(np.int32), unknown=unknown.astype(np.int32))
