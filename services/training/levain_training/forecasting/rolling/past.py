"""Daily series and calendars -> the tasks that there would have been on an earlier day. Pure."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from levain_contracts.tasks import MAX_BATCH_PRODUCTS, Series, ShopCalendar, TrainingTask
from levain_training.ingest.series import DORMANT_DAYS, MIN_HISTORY_DAYS, MIN_OPEN_DAYS


def origins(forecast_start: date, horizon_days: int, count: int, step_days: int) -> list[date]:
    """First days of the forecasts, the earliest first; the last one ends with the data."""
    last = forecast_start - timedelta(days=horizon_days)
    return [last - timedelta(days=step_days * back) for back in reversed(range(count))]


def known_then(series: Sequence[Series], origin: date) -> list[Series]:
    """Cut to the days before `origin`, without those that would not have been trained."""
    cut = (one.model_copy(update={"values": one.values[: max((origin - one.start).days, 0)]}) for one in series)
    return [one for one in cut if _trainable(one.values)]


def tasks(
    series: Sequence[Series], calendars: Sequence[ShopCalendar], origin: date, horizon_days: int, model: str
) -> Iterator[TrainingTask]:
    """Batches of one shop each."""
    for calendar in calendars:
        mine = [one for one in series if one.shop == calendar.shop]
        then = calendar.model_copy(update={"closed": [day for day in calendar.closed if day < origin]})
        for i in range(0, len(mine), MAX_BATCH_PRODUCTS):
            yield TrainingTask(
                tenant_id="backtest",
                job_id="backtest",
                batch=1,
                model=model,
                horizon_days=horizon_days,
                dataset_sha256="0" * 64,
                forecast_start=origin,
                calendars=[then],
                series=mine[i : i + MAX_BATCH_PRODUCTS],
            )


def _trainable(values: Sequence[float | None]) -> bool:
    """As the reading of a file that ended then would have it: younger and dormant products are not trained."""
    known = [value for value in values if value is not None]
    lately = [value for value in values[-DORMANT_DAYS:] if value is not None]
    return len(values) >= MIN_HISTORY_DAYS and len(known) >= MIN_OPEN_DAYS and any(value > 0 for value in lately)
