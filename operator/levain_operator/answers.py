"""What an answer of the training service means: the job, a refusal for good, or a trouble that may pass."""

from datetime import datetime
from http import HTTPStatus
from typing import NamedTuple

from pydantic import ValidationError

from levain_contracts.model import clip
from levain_contracts.resources import Job, Problem
from levain_operator.actions import AskJob, Call, CancelJob, PutJob, ResumeJob, SuspendJob
from levain_operator.observed import Marked, NoSuchJob, NotAsked, Refused, Told, Trouble, View

# Statuses by which the service refuses a spec for good (docs/errors.md). The codes that a 404 or 409 must have name what is wrong with
# the spec: any other comes from a proxy, an older service or a race.
_FOR_GOOD = frozenset({HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})
_FOR_GOOD_BY_CODE = frozenset({(404, "unknown_dataset"), (409, "other_spec")})
_DONE = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED})


class Answer(NamedTuple):
    """`retry_after_seconds` is the header's value, where it had one that is a number."""

    status: int
    body: bytes
    retry_after_seconds: float | None = None


class NoAnswer(NamedTuple):
    """Refused, reset, or none in time. Whether the service did what it was asked is unknown."""

    why: str


class Heard(NamedTuple):
    """The view after a call, and the trouble that is left: None after any answer that makes sense."""

    view: View
    trouble: Trouble | None


def heard(view: View, trouble: Trouble | None, call: Call, answer: Answer | NoAnswer, now: datetime) -> Heard:
    """Total: an answer that makes no sense is a trouble, and the view stays."""
    attempts = (trouble.attempts if trouble is not None else 0) + 1
    if isinstance(answer, NoAnswer):
        return Heard(view, Trouble(attempts, now, clip(f"no answer: {answer.why}")))
    understood = _understood(view, call, answer)
    if understood is not None:
        return Heard(understood, None)
    return Heard(view, Trouble(attempts, now, _trouble_text(answer), answer.retry_after_seconds))


def told(view: View, job: Job, *, full: bool) -> View:
    """The view after the service told of the job, in any order: an end is final, the greatest `seq` wins, failures are kept.

    A full answer that is older than what is known, as after the service's store was set back, is an answer all the same: asking
    again at once would bring no other.
    """
    if not isinstance(view, Told):
        return Told(job, full)
    known = view.job
    if _is_older(job, full, view):
        return Told(known, True) if full and not view.full else view
    if known.created_at == job.created_at and len(job.failures) < len(known.failures):
        job = job.model_copy(update={"failures": known.failures})
    return Told(job, full)


def _is_older(job: Job, full: bool, view: Told) -> bool:
    known = view.job
    if known.state.terminal and not job.state.terminal:
        return True
    if known.created_at != job.created_at:  # the service lost its store, and the job was begun anew
        return job.created_at < known.created_at
    return (known.state.terminal, known.seq, view.full) >= (job.state.terminal, job.seq, full)


def unlisted(view: View) -> View:
    """The view after a complete list of the service's jobs left this one out: worth a question, and not yet an answer."""
    return NotAsked() if isinstance(view, Told) and not view.job.state.terminal else view


def _understood(view: View, call: Call, answer: Answer) -> View | None:
    if answer.status in _DONE:
        job = _job(call, answer.body)
        return None if job is None else told(view, job, full=True)
    if isinstance(call, CancelJob):
        return Marked() if answer.status == HTTPStatus.NO_CONTENT else None
    problem = _problem(answer.body)
    return None if problem is None else _refusal(call, answer.status, problem)


def _refusal(call: Call, status: int, problem: Problem) -> View | None:
    match call:
        case PutJob() if status in _FOR_GOOD or (status, problem.code) in _FOR_GOOD_BY_CODE:
            return Refused(problem.code, clip(problem.detail))
        case AskJob() | SuspendJob() | ResumeJob() if (status, problem.code) == (404, "no_such_job"):
            return NoSuchJob()
        case SuspendJob() | ResumeJob() if (status, problem.code) == (409, "already_ended"):
            return NotAsked()
    return None


def _job(call: Call, body: bytes) -> Job | None:
    """None where it is not the job that was asked for. Fields that a newer service adds are skipped."""
    try:
        job = Job.model_validate_json(body, extra="ignore")
    except ValidationError:
        return None
    return job if (job.tenant_id, job.job_id) == (call.tenant_id, call.job_id) else None


def _problem(body: bytes) -> Problem | None:
    try:
        return Problem.model_validate_json(body, extra="ignore")
    except ValidationError:
        return None


def _trouble_text(answer: Answer) -> str:
    problem = _problem(answer.body)
    return clip(f"status {answer.status}" + (f", {problem.code}: {problem.detail}" if problem is not None else ""))
