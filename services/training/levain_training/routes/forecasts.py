"""Forecasts: of one product, from the newest completed job that has one; of a whole job, as CSV."""

import csv
import io
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from levain_contracts.ids import ID_PATTERN
from levain_contracts.model import MAX_NAME_CHARS
from levain_contracts.quantities import quantiles_of, quantities_for
from levain_contracts.resources import ForecastSource, Page, ProductForecast, ServiceLevel
from levain_contracts.tasks import Forecast
from levain_training.jobs import find_job
from levain_training.problems import Refused, responses
from levain_training.services import DEFAULT_PAGE, JobId, PageLimit, Reader, TenantId, Uses
from levain_training.store import forecasts, products

router = APIRouter(prefix="/api/v1/tenants/{tenant_id}/training", tags=["forecasts"])

_ROWS_AT_ONCE = 200
_DECIMALS = 3

Level = Annotated[ServiceLevel | None, Query(description="Adds the quantity that covers a day's demand with this probability.")]
Quartiles = Annotated[bool, Query(description="Adds the columns q25, q50 and q75.")]


@router.get("/products", responses=responses())
async def list_products_with_forecast(
    tenant_id: TenantId,
    uses: Uses,
    _: Reader,
    name: Annotated[str | None, Query(max_length=MAX_NAME_CHARS)] = None,
    after: Annotated[str, Query(max_length=63)] = "",
    limit: PageLimit = DEFAULT_PAGE,
) -> Page[ForecastSource]:
    """Products that have a forecast, by id; with `name` those of exactly this name (one a shop)."""
    items = await uses.store.read(forecasts.sources, tenant_id, name, after, limit)
    return Page(items=items, next=items[-1].product_id if len(items) == limit else None)


@router.get("/products/{product_id}/forecast", responses=responses(404))
async def get_forecast(
    tenant_id: TenantId, product_id: Annotated[str, Path(pattern=ID_PATTERN)], uses: Uses, _: Reader, service_level: Level = None
) -> ProductForecast:
    """From the last completed job that has one: a failed night leaves the old one, with its age."""
    found = await uses.store.read(forecasts.newest, tenant_id, product_id, time.time())
    if found is None:
        raise Refused(404, "no_forecast", "no completed job has a forecast of this product")
    if service_level is None:
        return found
    return found.model_copy(update={"service_level": service_level, "quantity": quantities_for(found.forecast, service_level)})


@router.get("/jobs/{job_id}/forecasts.csv", response_class=StreamingResponse, responses=responses(404))
async def get_forecasts(
    tenant_id: TenantId, job_id: JobId, uses: Uses, _: Reader, service_level: Level = None, quartiles: Quartiles = False
) -> StreamingResponse:
    """`product,date,mean,lo80,hi80`, `shop` first where the job has shops, then `q25,q50,q75` and `quantity` where asked for."""
    row, with_shop = await uses.store.read(_job_and_shops, tenant_id, job_id)

    async def lines() -> AsyncIterator[str]:
        names = ["product", "date", "mean", "lo80", "hi80"]
        more = [*(["q25", "q50", "q75"] if quartiles else []), *(["quantity"] if service_level else [])]
        yield _csv([[*(["shop"] if with_shop else []), *names, *more]])
        after = 0
        while page := await uses.store.read(_page, row, after):
            yield _csv(
                [*([shop] if with_shop else []), product, *line]
                for _, shop, product, forecast in page
                for line in _lines(forecast, service_level, quartiles)
            )
            after = page[-1][0]

    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8")


def _job_and_shops(connection: sa.Connection, tenant_id: str, job_id: str) -> tuple[sa.RowMapping, bool]:
    row = find_job(connection, tenant_id, job_id)
    return row, products.has_shops(connection, row)


def _page(connection: sa.Connection, row: sa.RowMapping, after: int) -> list[tuple[int, str | None, str, Forecast]]:
    return list(forecasts.of_job_after(connection, row, after, _ROWS_AT_ONCE))


def _lines(forecast: Forecast, service_level: float | None, quartiles: bool) -> Iterable[list[object]]:
    columns: list[Sequence[float]] = [forecast.mean, forecast.lo80, forecast.hi80]
    if quartiles:
        columns += list(zip(*quantiles_of(forecast), strict=True))[1:4]
    if service_level is not None:
        columns.append(quantities_for(forecast, service_level))
    for i, values in enumerate(zip(*columns, strict=True)):
        yield [forecast.start + timedelta(days=i), *(round(v, _DECIMALS) for v in values)]


def _csv(lines: Iterable[list[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue()
