"""How fast a job's products end, and so when the last one may: the newest minutes count most."""

import math
from datetime import datetime
from typing import NamedTuple

from levain_contracts.frames import Stage
from levain_contracts.kubernetes.training_job import MAX_ETA_SECONDS
from levain_contracts.resources import Job

MEMORY_SECONDS = 300.0  # what happened so long ago counts e times less: workers come and go in minutes
LEAST_PRODUCTS = 10
LEAST_SHARE = 0.05


class Pace(NamedTuple):
    """Products and the seconds that they took, both faded with time, and the last look: their ratio is the pace."""

    at: datetime | None = None
    ended: int = 0
    products: float = 0.0
    seconds: float = 0.0


def look(pace: Pace, job: Job, now: datetime) -> Pace:
    """The pace after the job was seen at `now`. Time in which it is suspended does not count."""
    if job.stage is not Stage.TRAINING:
        return Pace()
    ended = job.products_completed
    if pace.at is None or ended < pace.ended or now < pace.at:
        return _first_look(job, now)
    if job.suspended:
        return pace._replace(at=now, ended=ended)
    passed = (now - pace.at).total_seconds()
    fading = math.exp(-passed / MEMORY_SECONDS)
    return Pace(now, ended, pace.products * fading + ended - pace.ended, pace.seconds * fading + passed)


def _first_look(job: Job, now: datetime) -> Pace:
    """A job that was under way before: its average is the best guess."""
    began = job.started_at or job.created_at
    passed = (now - began).total_seconds()
    if job.suspended or job.products_completed == 0 or passed <= 0:
        return Pace(now, job.products_completed)
    seconds = min(passed, MEMORY_SECONDS)
    return Pace(now, job.products_completed, job.products_completed * seconds / passed, seconds)


def eta_seconds(pace: Pace, job: Job) -> int | None:
    """Seconds from the last look to the end; None where there is too little to go by."""
    total, ended = job.total_products, job.products_completed
    if job.state.terminal or job.suspended or not total or pace.products <= 0:
        return None
    if ended < LEAST_PRODUCTS and ended < LEAST_SHARE * total:
        return None
    seconds = max(total - ended, 0) * pace.seconds / pace.products
    # Of next to no products the quotient is infinite.
    return math.ceil(min(seconds, MAX_ETA_SECONDS))
