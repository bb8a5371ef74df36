"""A country's public holidays, by the library `holidays`, whose import is left to those that ask for it."""

from datetime import date

from levain_contracts.model import MAX_NAME_CHARS, clip
from levain_contracts.tasks import MarkedDay
from levain_training.ingest.refusals import DataRefused, did_you_mean


def between(country: str, subdivision: str | None, first: date, last: date) -> list[MarkedDay]:
    """In order; a day may have several. Raises DataRefused `unknown_country` or `unknown_subdivision`."""
    import holidays

    countries = holidays.list_supported_countries(include_aliases=True)
    if country not in countries:
        codes = [code for code in countries if len(code) == len(country)]
        raise DataRefused("unknown_country", f"no country {country!r} in the list of public holidays{did_you_mean(country, codes)}")
    parts = countries[country]
    if subdivision is not None and subdivision not in parts:
        there = did_you_mean(subdivision, parts) if parts else ": it has none"
        raise DataRefused("unknown_subdivision", f"no subdivision {subdivision!r} of {country} in the list of public holidays{there}")
    found = holidays.country_holidays(country, subdiv=subdivision, years=range(first.year, last.year + 1))
    return [
        MarkedDay(date=day, label=clip(label, MAX_NAME_CHARS))
        for day in sorted(found)
        if first <= day <= last
        for label in found.get_list(day)
    ]
