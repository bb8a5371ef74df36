"""Dates by a strptime pattern that the caller gave."""

import re
from datetime import date, datetime
from typing import NamedTuple

import polars as pl

from levain_training.ingest.findings import quoted
from levain_training.ingest.refusals import DataRefused


class Parsed(NamedTuple):
    """`values`: head (a date as text, once each), rows, line (its first) and day, null where it can't be read."""

    values: pl.DataFrame
    format: str


def parse(values: pl.DataFrame, date_format: str) -> Parsed:
    """`values` gets `moment` instead of a day: local time as written, or UTC where the pattern holds an offset (`%z`)."""
    _check(date_format)
    moments = [_moment(text, date_format) for text in values["head"].fill_null("")]
    zone = "UTC" if "%z" in date_format else None
    return Parsed(values.with_columns(pl.Series("moment", moments, dtype=pl.Datetime("us", zone))), date_format)


def _moment(text: str, date_format: str) -> datetime | None:
    try:
        return datetime.strptime(text.strip(), date_format)  # noqa: DTZ007 - its zone is the caller's matter
    except ValueError:
        return None


def _check(date_format: str) -> None:
    if not re.search(r"%[YyGcxD]", date_format):
        raise DataRefused("bad_date_format", f"date_format {quoted(date_format)} names no year: write a strptime pattern such as %d/%m/%Y")
    try:
        sample = datetime(2024, 2, 5, tzinfo=None).strftime(date_format)  # noqa: DTZ001
        back = datetime.strptime(sample, date_format).date()  # noqa: DTZ007
    except (ValueError, re.error, KeyError, IndexError, OverflowError):
        back = None
    if back != date(2024, 2, 5):
        raise DataRefused(
            "bad_date_format", f"date_format {quoted(date_format)} is no full date: write a strptime pattern such as %d/%m/%Y"
        )
