"""Jobs of ours whose TrainingJob is gone: nobody saw it go, or the operator was away."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from levain_contracts.claims import Role
from levain_contracts.resources import Job
from levain_operator.actions import CancelJob


class Listed(NamedTuple):
    """TrainingJobs of the whole cluster. `asked_at`: when the list was asked for. `complete`: every page came, of every namespace.

    A UID stands without its tenant where its namespace is not known, or names none.
    """

    complete: bool
    asked_at: datetime
    keys: frozenset[tuple[str, str]]
    uids_without_tenant: frozenset[str] = frozenset()


def orphans(jobs: Iterable[Job], told_at: datetime, listed: Listed) -> tuple[CancelJob, ...]:
    """Jobs that run for nobody. `told_at`: when the service's last answer with one of them was there.

    None without a complete list that was asked for after that: whatever job had been started by then had its TrainingJob before it.
    """
    if not listed.complete or listed.asked_at < told_at:
        return ()
    return tuple(
        CancelJob(job.tenant_id, job.job_id)
        for job in jobs
        if job.started_by is Role.OPERATOR
        and not job.state.terminal
        and (job.tenant_id, job.job_id) not in listed.keys
        and job.job_id not in listed.uids_without_tenant
    )
