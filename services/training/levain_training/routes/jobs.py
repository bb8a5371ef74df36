"""Jobs: start, look, cancel, suspend, resume, retry."""

import base64
import binascii
import json
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Header, Query, Response

from levain_contracts.jobs import JobState
from levain_contracts.resources import Job, JobSpec, Page
from levain_training.jobs import to_job
from levain_training.problems import Refused, Responses, responses
from levain_training.services import DEFAULT_PAGE, JobId, PageLimit, Reader, Starts, TenantId, Trainer, Uses
from levain_training.store import jobs

router = APIRouter(prefix="/api/v1/tenants/{tenant_id}/training/jobs", tags=["jobs"])

IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=255, description="a repeated key gives the first request's job")]
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
    tenant_id: TenantId, spec: JobSpec, response: Response, uses: Uses, starter: Starts, idempotency_key: IdempotencyKey = None
) -> Job:
    return _started(response, *await uses.jobs.post(tenant_id, spec, starter, idempotency_key))


@router.put("/{job_id}", responses=responses(404, 409) | _ACCEPTED)
async def put_job(tenant_id: TenantId, job_id: JobId, spec: JobSpec, response: Response, uses: Uses, starter: Starts) -> Job:
    """Idempotent: 202 when it was started now, 200 when it is there with this spec, 409 when it is there with another."""
    return _started(response, *await uses.jobs.put(tenant_id, job_id, spec, starter))


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
async def retry_job(tenant_id: TenantId, job_id: JobId, response: Response, uses: Uses, starter: Starts) -> Job:
    """A new job with the failed products of this one."""
    return _started(response, await uses.jobs.retry(tenant_id, job_id, starter), True)
