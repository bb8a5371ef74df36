"""The products of a job: rows made by the analysis, ended once each by a result."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from levain_contracts.events import MAX_FAILURES, ProductFailure
from levain_contracts.jobs import ProductState
from levain_contracts.resources import Product, ProductDetail
from levain_contracts.tasks import Forecast, Scores, Series
from levain_training.store.tables import products

_LISTED = [c for c in products.c if c.name not in ("series", "forecast", "model")]


def of_job(row: sa.RowMapping) -> sa.ColumnElement[bool]:
    return sa.and_(products.c.tenant_id == row["tenant_id"], products.c.job_id == row["job_id"])


def first_failures(connection: sa.Connection, row: sa.RowMapping) -> tuple[ProductFailure, ...]:
    if not row["products_failed"]:
        return ()
    query = sa.select(*_LISTED).where(of_job(row), products.c.status == ProductState.FAILED.value)
    return tuple(_failure(p) for p in connection.execute(query.order_by(products.c.seq).limit(MAX_FAILURES)).mappings())


def list_products(
    connection: sa.Connection,
    row: sa.RowMapping,
    *,
    status: ProductState | None = None,
    after_seq: int | None = None,
    after: int | None = None,
    limit: int,
) -> list[tuple[int, Product]]:
    """Pairs of a page mark and a product: by `seq` of their ends after `after_seq`, else by position."""
    ends = after_seq is not None
    mark = products.c.seq if ends else products.c.position
    query = sa.select(*_LISTED, mark.label("mark")).where(of_job(row)).order_by(mark).limit(limit)
    if status is not None:
        query = query.where(products.c.status == status.value)
    if after_seq is not None:
        query = query.where(products.c.seq > after_seq)
    if after is not None:
        query = query.where(mark > after)
    return [(p["mark"], _product(p)) for p in connection.execute(query).mappings()]


def detail(connection: sa.Connection, row: sa.RowMapping, product_id: str) -> ProductDetail | None:
    found = connection.execute(sa.select(products).where(of_job(row), products.c.product_id == product_id)).mappings().first()
    if found is None:
        return None
    return ProductDetail(
        **dict(_product(found)),
        history=None if found["series"] is None else Series.model_validate_json(found["series"]),
        forecast=None if found["forecast"] is None else Forecast.model_validate_json(found["forecast"]),
    )


def failed_ids(connection: sa.Connection, row: sa.RowMapping) -> list[str]:
    query = sa.select(products.c.product_id).where(of_job(row), products.c.status == ProductState.FAILED.value)
    return list(connection.execute(query.order_by(products.c.position)).scalars())


def has_shops(connection: sa.Connection, row: sa.RowMapping) -> bool:
    query = sa.select(sa.literal(1)).where(of_job(row), products.c.shop.is_not(None)).limit(1)
    return connection.execute(query).first() is not None


def insert(connection: sa.Connection, rows: Iterable[dict[str, Any]]) -> None:
    batch = list(rows)
    if batch:
        connection.execute(products.insert(), batch)


def _product(row: sa.RowMapping) -> Product:
    return Product(
        product_id=row["product_id"],
        product=row["product"],
        shop=row["shop"],
        status=ProductState(row["status"]),
        seq=row["seq"],
        reason=row["reason"],
        message=row["message"],
        scores=None if row["scores"] is None else Scores.model_validate_json(row["scores"]),
    )


def _failure(row: sa.RowMapping) -> ProductFailure:
    return ProductFailure(
        product_id=row["product_id"],
        product=row["product"],
        shop=row["shop"],
        seq=row["seq"],
        reason=row["reason"] or "unknown",
        message=row["message"] or "",
    )
