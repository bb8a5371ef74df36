"""Forecasts: those of a job, and the newest that a product has from any completed job."""

from collections.abc import Iterator

import sqlalchemy as sa

from levain_contracts.jobs import JobState, ProductState
from levain_contracts.resources import ForecastSource, ProductForecast
from levain_contracts.tasks import Forecast, Scores
from levain_training.store.clock import at
from levain_training.store.products import of_job
from levain_training.store.tables import jobs, products

_TRAINED = (products.c.status == ProductState.TRAINED.value) & (jobs.c.state == JobState.COMPLETED.value)
_JOINED = products.join(jobs, (products.c.tenant_id == jobs.c.tenant_id) & (products.c.job_id == jobs.c.job_id))


def newest(connection: sa.Connection, tenant_id: str, product_id: str, now: float) -> ProductForecast | None:
    query = (
        sa.select(products, jobs.c.ended_at)
        .select_from(_JOINED)
        .where(products.c.tenant_id == tenant_id, products.c.product_id == product_id, _TRAINED)
        .order_by(jobs.c.ended_at.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return ProductForecast(
        product_id=product_id,
        product=row["product"],
        shop=row["shop"],
        job_id=row["job_id"],
        trained_at=at(row["ended_at"]),
        age_seconds=max(now - row["ended_at"], 0.0),
        forecast=Forecast.model_validate_json(row["forecast"]),
        scores=Scores.model_validate_json(row["scores"]),
    )


def sources(connection: sa.Connection, tenant_id: str, name: str | None, after: str, limit: int) -> list[ForecastSource]:
    """Products that have a forecast, by id, each with the job of its newest."""
    ranked = (
        sa.select(
            products.c.product_id,
            products.c.product,
            products.c.shop,
            products.c.job_id,
            jobs.c.ended_at,
            sa.func.row_number().over(partition_by=products.c.product_id, order_by=jobs.c.ended_at.desc()).label("age_rank"),
        )
        .select_from(_JOINED)
        .where(products.c.tenant_id == tenant_id, products.c.product_id > after, _TRAINED)
    )
    if name is not None:
        ranked = ranked.where(products.c.product == name)
    newest_of = ranked.subquery()
    query = sa.select(newest_of).where(newest_of.c.age_rank == 1).order_by(newest_of.c.product_id).limit(limit)
    return [
        ForecastSource(product_id=r["product_id"], product=r["product"], shop=r["shop"], job_id=r["job_id"], trained_at=at(r["ended_at"]))
        for r in connection.execute(query).mappings()
    ]


def of_job_after(connection: sa.Connection, row: sa.RowMapping, after: int, limit: int) -> Iterator[tuple[int, str | None, str, Forecast]]:
    """(position, shop, product, forecast) of the trained products, by position."""
    query = sa.select(products.c.position, products.c.shop, products.c.product, products.c.forecast).where(
        of_job(row), products.c.status == ProductState.TRAINED.value, products.c.position > after
    )
    for p in connection.execute(query.order_by(products.c.position).limit(limit)).mappings():
        yield p["position"], p["shop"], p["product"], Forecast.model_validate_json(p["forecast"])
