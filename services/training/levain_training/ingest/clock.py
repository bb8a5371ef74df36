"""Times of day: which business day a sale belongs to, by the tenant's time zone and the hour at which the day begins."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import polars as pl

from levain_contracts.reading import ReadingOptions
from levain_training.ingest.findings import Findings, quoted
from levain_training.ingest.refusals import DataRefused, did_you_mean

# A time is only cut off behind white space or T: `07:31`, `7h31`, `T073100`, with all that follows it.
_TIME = r",?(?:[T\s]\s*[0-9]{1,2}[:hH][0-9]{2}.*|T[0-9]{4,6}.*)$"
_CLOCK = r"^,?[T\s]\s*([0-9]{1,2})[:hH]?([0-9]{2})"
_OFFSET = r"([Zz]|[+-][0-9]{2}:?[0-9]{2})$"
_HALF_DAY = r"(?i)([ap])\.?m\.?"
_MINUTES_A_DAY = 24 * 60


def has_time(date_format: str) -> bool:
    return any(f"%{letter}" in date_format for letter in "HIMScXT")


def check(options: ReadingOptions) -> None:
    """Raises DataRefused `unknown_time_zone`."""
    if options.time_zone is None:
        return
    try:
        ZoneInfo(options.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DataRefused(
            "unknown_time_zone", f"no time zone {quoted(options.time_zone)}{did_you_mean(options.time_zone, available_timezones())}"
        ) from None


def split(values: pl.DataFrame) -> pl.DataFrame:
    """`text` → `head`, the date, and `time`, all that follows it, null where there is none."""
    text = pl.col("text")
    return values.with_columns(head=text.str.replace(_TIME, ""), time=text.str.extract(f"({_TIME})"))


def shifted(dated: pl.DataFrame, options: ReadingOptions, findings: Findings) -> pl.DataFrame:
    """`day` as written → the business day, where the options say what that is."""
    times = dated["time"].drop_nulls()
    if times.is_empty():
        return dated
    offsets = times.str.contains(_OFFSET)
    converts = options.time_zone is not None and bool(offsets.any())
    if not converts and not options.cut_over_hour:
        own = " and so of its own time zone" if offsets[0] else ""
        findings.note(f"the date column holds times: the date as written{own} is used")
        return dated
    dated = dated.with_columns(minute=_minute(), offset=_offset_minutes())
    written = pl.col("day").cast(pl.Datetime("ms")) + pl.duration(minutes=pl.col("minute"))
    if converts:
        utc = (written - pl.duration(minutes=pl.col("offset"))).dt.replace_time_zone("UTC")
        local = utc.dt.convert_time_zone(options.time_zone or "UTC").dt.replace_time_zone(None)
        written = pl.when(pl.col("offset").is_not_null()).then(local).otherwise(written)
        findings.note(f"times with an offset are converted to {options.time_zone}")
    if options.cut_over_hour:
        findings.note(f"sales before {options.cut_over_hour}:00 count for the day before")
    began = written - pl.duration(hours=options.cut_over_hour)
    timed = pl.col("minute").is_not_null()
    return dated.with_columns(day=pl.when(timed).then(began.dt.date()).otherwise("day")).drop("minute", "offset")


def business_day(moment: pl.Expr, options: ReadingOptions, zone: str | None = None) -> pl.Expr:
    """Of timestamps; `zone` is that of the column, None where it has none."""
    if zone is not None:
        moment = moment.dt.convert_time_zone(options.time_zone or zone).dt.replace_time_zone(None)
    return moment.dt.offset_by(f"-{options.cut_over_hour}h").dt.date() if options.cut_over_hour else moment.dt.date()


def _minute() -> pl.Expr:
    """Of the day, as written; null where it is no time of a day."""
    hour, minute = (pl.col("time").str.extract(_CLOCK, group).cast(pl.Int32) for group in (1, 2))
    half = pl.col("time").str.extract(_HALF_DAY).str.to_lowercase()
    hour = pl.when(half == "p").then(hour % 12 + 12).when(half == "a").then(hour % 12).otherwise(hour)
    total = hour * 60 + minute
    return pl.when(total < _MINUTES_A_DAY).then(total)


def _offset_minutes() -> pl.Expr:
    text = pl.col("time").str.extract(_OFFSET)
    sign = pl.when(text.str.starts_with("-")).then(-1).otherwise(1)
    hours, minutes = (text.str.extract(r"^[+-]([0-9]{2}):?([0-9]{2})$", group).cast(pl.Int32) for group in (1, 2))
    return pl.when(text.str.to_lowercase() == "z").then(0).otherwise(sign * (hours * 60 + minutes))
