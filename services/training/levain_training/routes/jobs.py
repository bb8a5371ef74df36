"""Jobs: start, look, cancel, suspend, resume, retry."""

import base64
import binascii
import json
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Header, Query, Response

from levain_contracts.jobs import JobState, ProductState
from levain_contracts.resources import Job, JobSpec, Page, ProductPage
from levain_training.jobs import find_job, to_job
from levain_training.problems import Refused, Responses, responses
from levain_training.services import DEFAULT_PAGE, JobId, PageLimit, Reader, TenantId, Trainer, Uses
from levain_training.store import jobs, products

router = APIRouter(prefix="/api/v1/tenants/{tenant_id}/training/jobs", tags=["jobs"])

IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=255, description="a repeated key gives the first request's job")]
AfterSeq = Annotated[int | None, Query(ge=0, description="only ends with a greater `seq`, in the order of their `seq`")]
_BEFORE: Responses = {200: {"model": Job, "description": "this key's job was started before"}}
_ACCEPTED: Responses = {202: {"model": Job, "description": "started now"}}


def _path(job: Job) -> str:
    return f"/api/v1/tenants/{job.tenant_id}/training/jobs/{job.job_id}"


def _started(response: Response, job: Job, now: bool) -> Job:
    response.status_code = 202 if now else 200
    response.headers["Location"] = _path(job)
    return job


@router.post("", status_code=202, responses=responses(404) | _BEFORE)
async def start_job(
    tenant_id: TenantId, spec: JobSpec, response: Response, uses: Uses, claims: Trainer, idempotency_key: IdempotencyKey = None
) -> Job:
    return _started(response, *await uses.jobs.post(tenant_id, spec, claims.role, idempotency_key))


@router.put("/{job_id}", responses=responses(404, 409) | _ACCEPTED)
async def put_job(tenant_id: TenantId, job_id: JobId, spec: JobSpec, response: Response, uses: Uses, claims: Trainer) -> Job:
    """Idempotent: 202 when it was started now, 200 when it is there with this spec, 409 when it is there with another."""
    return _started(response, *await uses.jobs.put(tenant_id, job_id, spec, claims.role))


@router.get("", responses=responses())
async def list_jobs(
    tenant_id: TenantId,
    uses: Uses,
    _: Reader,
    state: JobState | None = None,
    after: Annotated[str | None, Query(max_length=300)] = None,
    limit: PageLimit = DEFAULT_PAGE,
) -> Page[Job]:
    """Newest first, without their failures."""
    before = None if after is None else _unmark(after)
    rows = await uses.store.read(jobs.list_jobs, tenant_id, before=before, limit=limit, state=state)
    return Page(items=[to_job(row) for row in rows], next=_mark(rows[-1]) if len(rows) == limit else None)


def _mark(row: sa.RowMapping) -> str:
    return base64.urlsafe_b64encode(json.dumps([row["created_at"], row["job_id"]]).encode()).decode()


def _unmark(mark: str) -> tuple[float, str]:
    try:
        created_at, job_id = json.loads(base64.urlsafe_b64decode(mark))
        return float(created_at), str(job_id)
    except (binascii.Error, ValueError, TypeError):
        raise Refused(422, "invalid_request", "after must be the `next` of an earlier page", field="after") from None


@router.get("/{job_id}", responses=responses(404))
async def get_job(tenant_id: TenantId, job_id: JobId, uses: Uses, _: Reader) -> Job:
    return await uses.jobs.get(tenant_id, job_id)


@router.get("/{job_id}/products", responses=responses(404))
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


_CANCELLED: Responses = {
    200: {"model": Job, "description": "it had ended before"},
    202: {"model": Job, "description": "cancelled now"},
    204: {"description": "no job of this id is known: the id is marked, and a late creation starts nothing"},
}


@router.post("/{job_id}/cancel", response_model=Job, responses=responses() | _CANCELLED)
async def cancel_job(tenant_id: TenantId, job_id: JobId, response: Response, uses: Uses, _: Trainer) -> Job | Response:
    job, now = await uses.jobs.cancel(tenant_id, job_id)
    if job is None:
        return Response(status_code=204)
    response.status_code = 202 if now else 200
    return job


@router.post("/{job_id}/suspend", responses=responses(404, 409))
async def suspend_job(tenant_id: TenantId, job_id: JobId, uses: Uses, _: Trainer) -> Job:
    """No more work is handed out; what is out still counts."""
    return await uses.jobs.set_suspended(tenant_id, job_id, True)


@router.post("/{job_id}/resume", responses=responses(404, 409))
async def resume_job(tenant_id: TenantId, job_id: JobId, uses: Uses, _: Trainer) -> Job:
    return await uses.jobs.set_suspended(tenant_id, job_id, False)


@router.post("/{job_id}/retry", status_code=202, responses=responses(404, 409))
async def retry_job(tenant_id: TenantId, job_id: JobId, response: Response, uses: Uses, claims: Trainer) -> Job:
    """A new job with the failed products of this one."""
    return _started(response, await uses.jobs.retry(tenant_id, job_id, claims.role), True)
