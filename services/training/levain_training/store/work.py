"""What there is to do, over all tenants: what metrics tell of."""

from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa

from levain_contracts.jobs import JobState
from levain_training.store.tables import batches, jobs

_OPEN = tuple(state.value for state in JobState if not state.terminal)


class OpenWork(NamedTuple):
    """`jobs`: their number by state, a suspended one under `suspended` alone. `products`: what is open of those not suspended."""

    jobs: Mapping[str, int]
    products: int
    batches_out: int
    batches_lapsed: int


def open_work(connection: sa.Connection, now: float) -> OpenWork:
    # A job that was cancelled before it was known has no spec, and has ended.
    state = sa.case((jobs.c.suspended.is_(True), "suspended"), else_=jobs.c.state).label("state")
    count, products = sa.func.count(), sa.func.sum(jobs.c.total_products - jobs.c.products_completed)
    by_state = connection.execute(sa.select(state, count, products).where(jobs.c.state.in_(_OPEN)).group_by(state)).all()
    out, lapsed = connection.execute(
        sa.select(sa.func.count(), sa.func.sum(sa.case((batches.c.lease_until < now, 1), else_=0))).select_from(batches)
    ).one()
    open_products = sum(row[2] or 0 for row in by_state if row[0] != "suspended")
    return OpenWork({row[0]: row[1] for row in by_state}, int(open_products), out, int(lapsed or 0))
