"""The products of a job: all of them by page, and one with its history and forecast."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query

from levain_contracts.ids import ID_PATTERN
from levain_contracts.jobs import ProductState
from levain_contracts.resources import ProductDetail, ProductPage
from levain_training.jobs import find_job
from levain_training.problems import Refused, responses
from levain_training.services import DEFAULT_PAGE, JobId, PageLimit, Reader, TenantId, Uses
from levain_training.store import products

router = APIRouter(prefix="/api/v1/tenants/{tenant_id}/training/jobs/{job_id}/products", tags=["jobs"])

AfterSeq = Annotated[int | None, Query(ge=0, description="only ends with a greater `seq`, in the order of their `seq`")]


@router.get("", responses=responses(404))
async def list_products(
    tenant_id: TenantId,
    job_id: JobId,
    uses: Uses,
    _: Reader,
    status: ProductState | None = None,
    after_seq: AfterSeq = None,
    after: Annotated[int | None, Query(ge=0)] = None,
    limit: PageLimit = DEFAULT_PAGE,
) -> ProductPage:
    """With `after_seq` the products that ended after it: the closing read of a viewer. `seq` is the job's at that moment."""

    def read(connection: sa.Connection) -> ProductPage:
        row = find_job(connection, tenant_id, job_id)
        found = products.list_products(connection, row, status=status, after_seq=after_seq, after=after, limit=limit)
        # `seq` closes the gaps below it, so a page that is not the last may only speak up to its own last end.
        full = len(found) == limit
        seq = found[-1][0] if full and after_seq is not None else row["seq"]
        return ProductPage(items=[p for _, p in found], next=str(found[-1][0]) if full else None, seq=seq)

    return await uses.store.read(read)


@router.get("/{product_id}", responses=responses(404))
async def get_product(
    tenant_id: TenantId, job_id: JobId, product_id: Annotated[str, Path(pattern=ID_PATTERN)], uses: Uses, _: Reader
) -> ProductDetail:
    """With the sales that it was trained on and what came of them in this job."""

    def read(connection: sa.Connection) -> ProductDetail | None:
        return products.detail(connection, find_job(connection, tenant_id, job_id), product_id)

    found = await uses.store.read(read)
    if found is None:
        raise Refused(404, "no_such_product", "this job has no product of this id")
    return found
