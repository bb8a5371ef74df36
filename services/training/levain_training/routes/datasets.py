"""Datasets: upload, list, delete. The content decides the format, never a content type."""

import hashlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import IO, Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from levain_contracts.ids import ID_PATTERN
from levain_contracts.reading import ReadingOptions
from levain_contracts.report import DataReport
from levain_contracts.resources import Dataset, Page
from levain_training.problems import Refused, responses
from levain_training.services import DEFAULT_PAGE, PageLimit, Reader, TenantId, Trainer, Uses
from levain_training.store import datasets
from levain_training.store.datasets import PART_BYTES

router = APIRouter(prefix="/api/v1/tenants/{tenant_id}/training/datasets", tags=["datasets"])

Name = Annotated[str, Path(pattern=ID_PATTERN)]
After = Annotated[str, Query(max_length=63)]

# What a spreadsheet program may write under the name of a CSV; the rest is found out by the analysis.
_NO_TABLES = {b"PK\x03\x04": "an Excel workbook or zip", b"\xd0\xcf\x11\xe0": "an old Excel workbook", b"\x1f\x8b": "a gzip archive"}
_MEMORY_BYTES = 1024 * 1024


@router.post("/{name}", status_code=201, responses=responses(413, 415))
async def upload_dataset(tenant_id: TenantId, name: Name, request: Request, uses: Uses, _: Trainer) -> Dataset:
    """A new version from the request's body: CSV or Parquet, as it is (no form)."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise Refused(415, "no_form", "send the file itself as the body (curl --data-binary @FILE), not a form")
    limit = uses.settings.max_dataset_bytes
    if int(request.headers.get("content-length") or 0) > limit:
        raise _too_large(limit)
    with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as file:
        sha256, size = await _spool(request.stream(), file, limit)
        return await uses.store.write(datasets.add_version, tenant_id, name, sha256, size, partial(_parts, file), time.time())


def _too_large(limit: int) -> Refused:
    return Refused(413, "too_large", f"a dataset may have at most {limit} bytes", headers={"Connection": "close"})


async def _spool(chunks: AsyncIterator[bytes], file: IO[bytes], limit: int) -> tuple[str, int]:
    digest, size, head = hashlib.sha256(), 0, b""
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        head = head or chunk[:4]
        digest.update(chunk)
        file.write(chunk)
    if size == 0:
        raise Refused(422, "empty", "the body is empty: send the file itself as the body")
    for magic, what in _NO_TABLES.items():
        if head.startswith(magic):
            raise Refused(422, "not_a_table", f"this is {what}: save it as CSV")
    return digest.hexdigest(), size


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    return iter(lambda: file.read(PART_BYTES), b"")


@router.get("", responses=responses())
async def list_datasets(tenant_id: TenantId, uses: Uses, _: Reader, after: After = "", limit: PageLimit = DEFAULT_PAGE) -> Page[Dataset]:
    """The latest version of each, by name."""
    await uses.samples.offer(tenant_id)
    items = await uses.store.read(datasets.names, tenant_id, after, limit)
    return Page(items=items, next=items[-1].name if len(items) == limit else None)


@router.get("/{name}", responses=responses(404))
async def list_versions(
    tenant_id: TenantId,
    name: Name,
    uses: Uses,
    _: Reader,
    after: Annotated[int | None, Query(ge=1)] = None,
    limit: PageLimit = DEFAULT_PAGE,
) -> Page[Dataset]:
    """All versions, newest first."""
    await uses.samples.offer(tenant_id, name)
    items = await uses.store.read(datasets.versions, tenant_id, name, after, limit)
    if not items and after is None:
        raise _no_such_dataset()
    return Page(items=items, next=str(items[-1].version) if len(items) == limit else None)


@router.delete("/{name}", status_code=204, responses=responses(404))
async def delete_dataset(tenant_id: TenantId, name: Name, uses: Uses, _: Trainer) -> Response:
    """All versions. A job that has not read its dataset yet still gets it; forecasts stay."""
    if not await uses.store.write(datasets.delete, tenant_id, name):
        raise _no_such_dataset()
    return Response(status_code=204)


@router.post("/{name}/preview", responses=responses(404))
async def preview_dataset(tenant_id: TenantId, name: Name, options: ReadingOptions, uses: Uses, _: Trainer) -> DataReport:
    """What a job would understand of the latest version. A file that a job would refuse is a 422 with the job's reason as its code."""
    await uses.samples.offer(tenant_id, name)
    newest = await uses.store.read(datasets.versions, tenant_id, name, None, 1)
    if not newest:
        raise _no_such_dataset()
    return await uses.previews.report(tenant_id, newest[0], options)


def _no_such_dataset() -> Refused:
    return Refused(404, "no_such_dataset", "this tenant has no dataset of this name")
