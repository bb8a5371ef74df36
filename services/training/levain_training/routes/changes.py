"""What changed of all tenants: for the operator, which asks every two seconds. The gateway lets nobody through to it."""

import time
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query

from levain_contracts.resources import Changes, Job
from levain_training.jobs import to_job
from levain_training.problems import Refused, responses
from levain_training.services import DEFAULT_PAGE, Operator, PageLimit, Uses
from levain_training.store import changes, products
from levain_training.store.changes import Cursor, UnreadableCursor, cursor_of

router = APIRouter(prefix="/api/v1/training/jobs", tags=["jobs"])

ChangedAfter = Annotated[str | None, Query(max_length=500, description="the `cursor` of an earlier answer; without it from the beginning")]
OnlyActive = Annotated[bool, Query(description="only jobs that have not ended")]


@router.get("", responses=responses())
async def list_changes(
    uses: Uses, _: Operator, changed_after: ChangedAfter = None, active: OnlyActive = False, limit: PageLimit = DEFAULT_PAGE
) -> Changes:
    """Answers overlap by some seconds, so that a job may come again unchanged. The cursor of a walk through the active jobs goes on with
    what changed since that walk began.
    """
    try:
        cursor = Cursor() if changed_after is None else cursor_of(changed_after)
    except UnreadableCursor:
        raise Refused(422, "invalid_request", "changed_after must be the `cursor` of an earlier answer", field="changed_after") from None
    now = time.time()
    items = await uses.store.read(_read, cursor, limit, active)
    full, last = len(items) == limit, items[-1] if items else None
    place = None if last is None else (last[0], last[1].tenant_id, last[1].job_id)
    following = cursor.following(place, full=full, now=now)
    return Changes(items=[job for _, job in items], cursor=following.text(), more=full)


def _read(connection: sa.Connection, cursor: Cursor, limit: int, active: bool) -> list[tuple[float, Job]]:
    rows = changes.changed(connection, cursor, limit, active=active)
    return [(row["updated_at"], to_job(row).model_copy(update={"failures": products.first_failures(connection, row)})) for row in rows]
