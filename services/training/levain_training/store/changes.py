"""What changed of all tenants, for one who asks again and again: a walk in the order of the changes, by a cursor.

Rows of several replicas commit out of order and their clocks differ. So each walk that has reached the end begins again some seconds
before it began, and answers overlap.
"""

import base64
import json
import math
from typing import NamedTuple

import sqlalchemy as sa

from levain_contracts.ids import is_id
from levain_contracts.jobs import JobState
from levain_training.store.tables import jobs

OVERLAP_SECONDS = 5.0
_ACTIVE = [state.value for state in JobState if not state.terminal]


class UnreadableCursor(Exception):
    pass


class Cursor(NamedTuple):
    """Where the walk is: behind this change. `floor` is where the one after it begins, known from its first page on."""

    updated_at: float = 0.0
    tenant_id: str = ""
    job_id: str = ""
    floor: float | None = None

    def text(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(self).encode()).decode()

    def following(self, last: "tuple[float, str, str] | None", *, full: bool, now: float) -> "Cursor":
        """`last`: the last change of this page. `full`: there may be more behind it."""
        floor = now - OVERLAP_SECONDS if self.floor is None else self.floor
        if full and last is not None:
            return Cursor(*last, floor)
        return Cursor(floor)


def cursor_of(text: str) -> Cursor:
    """Raises `UnreadableCursor`."""
    try:
        updated_at, tenant_id, job_id, floor = json.loads(base64.urlsafe_b64decode(text))
        cursor = Cursor(float(updated_at), str(tenant_id), str(job_id), None if floor is None else float(floor))
    except (ValueError, TypeError, OverflowError):
        raise UnreadableCursor(text) from None
    ids, seconds = cursor[1:3], (cursor.updated_at, cursor.floor or 0.0)
    if not all(i == "" or is_id(i) for i in ids) or not all(map(math.isfinite, seconds)):
        raise UnreadableCursor(text)
    return cursor


def changed(connection: sa.Connection, cursor: Cursor, limit: int, *, active: bool = False) -> list[sa.RowMapping]:
    """Rows of jobs behind the cursor, oldest change first. `active`: only of jobs that have not ended."""
    place = sa.tuple_(jobs.c.updated_at, jobs.c.tenant_id, jobs.c.job_id)
    query = sa.select(jobs).where(place > sa.tuple_(*cursor[:3]), jobs.c.updated_at >= cursor.updated_at, jobs.c.spec.is_not(None))
    if active:
        query = query.where(jobs.c.state.in_(_ACTIVE))
    return list(connection.execute(query.order_by(jobs.c.updated_at, jobs.c.tenant_id, jobs.c.job_id).limit(limit)).mappings())
