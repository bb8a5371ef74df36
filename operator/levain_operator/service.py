"""The training service as the operator calls it: as the tenant of a job, or across all tenants for what changed."""

from typing import NamedTuple

import aiohttp
from pydantic import ValidationError

from levain_contracts.ids import REQUEST_ID_HEADER, new_request_id
from levain_contracts.model import clip
from levain_contracts.resources import Changes, Job
from levain_logs import bound_field
from levain_operator.actions import AskJob, Call, CancelJob, PutJob, ResumeJob, SuspendJob
from levain_operator.answers import Answer, NoAnswer
from levain_operator.tokens import OperatorTokens

_CHANGES = "/api/v1/training/jobs"
_PAGE = 200
_MAX_ANSWER_BYTES = 64 * 1024 * 1024  # a page of jobs, each with 20 failures


class Unlisted(Exception):
    """The service did not tell what changed, and why not."""


class Page(NamedTuple):
    jobs: tuple[Job, ...]
    cursor: str
    more: bool


class TrainingService:
    """`session` is the caller's, and has the limit of time of each call."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, tokens: OperatorTokens) -> None:
        self._session, self._base, self._tokens = session, base_url, tokens

    async def call(self, call: Call) -> Answer | NoAnswer:
        """Never raises for what the service or the network does."""
        method, path = _route(call)
        body = call.spec.model_dump_json(exclude_none=True).encode() if isinstance(call, PutJob) else None
        try:
            return await self._ask(method, path, self._tokens.for_tenant(call.tenant_id), body=body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return NoAnswer(_why(error))

    async def changes(self, cursor: str | None, *, active: bool = False) -> Page:
        """One page. `active`: only jobs that have not ended. Raises `Unlisted`."""
        query = {"limit": str(_PAGE)} | ({} if cursor is None else {"changed_after": cursor}) | ({"active": "true"} if active else {})
        try:
            answer = await self._ask("GET", _CHANGES, self._tokens.across_tenants(), query=query)
            if answer.status != 200:
                raise Unlisted(f"status {answer.status}")
            changes = Changes.model_validate_json(answer.body, extra="ignore")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unlisted(_why(error)) from error
        except ValidationError as error:
            raise Unlisted("the answer makes no sense") from error
        return Page(tuple(changes.items), changes.cursor, changes.more)

    async def _ask(self, method: str, path: str, token: str, *, query: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {token}", REQUEST_ID_HEADER: bound_field("request_id") or new_request_id()} | (
            {} if body is None else {"Content-Type": "application/json"}
        )
        async with self._session.request(
            method, self._base + path, params=query, data=body, headers=headers, allow_redirects=False
        ) as answer:
            text = await answer.content.read(_MAX_ANSWER_BYTES)
            return Answer(answer.status, text, _seconds(answer.headers.get("Retry-After")))


def _route(call: Call) -> tuple[str, str]:
    path = f"/api/v1/tenants/{call.tenant_id}/training/jobs/{call.job_id}"
    match call:
        case PutJob():
            return "PUT", path
        case AskJob():
            return "GET", path
        case SuspendJob():
            return "POST", f"{path}/suspend"
        case ResumeJob():
            return "POST", f"{path}/resume"
        case CancelJob():
            return "POST", f"{path}/cancel"


def _why(error: Exception) -> str:
    return clip(str(error) or type(error).__name__)


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(float(text), 0.0)
    except ValueError:  # a date: our service sends none
        return None
