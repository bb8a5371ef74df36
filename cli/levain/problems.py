"""What an HTTP answer means for the command: fine, the user's to mend, or passing. Pure."""

from collections.abc import Mapping

from pydantic import ValidationError

from levain.errors import BadInput, ContactLost
from levain_contracts.ids import REQUEST_ID_HEADER, is_request_id
from levain_contracts.model import clip
from levain_contracts.resources import Problem

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAX_RETRY_AFTER_SECONDS = 60.0


class Passing(Exception):
    """It may work a little later: after `pause_seconds` where the answer says so."""

    def __init__(self, message: str, pause_seconds: float | None = None) -> None:
        super().__init__(message)
        self.pause_seconds = pause_seconds


def judge(status: int, headers: Mapping[str, str], body: bytes, url: str) -> None:
    """Returns for a good answer. Raises `BadInput`, `ContactLost` or `Passing`."""
    if 200 <= status < 300:
        return
    if status in _PASSING:
        raise Passing(f"{url} answered {status}{_tail(body)}{_request(headers)}", _retry_after(headers))
    if status == 407:
        raise ContactLost(f"the proxy on the way to {url} wants credentials of its own")
    if status == 401:
        raise BadInput("the token is missing, invalid or expired: give a new one by --token or LEVAIN_TOKEN")
    if 300 <= status < 400:
        raise BadInput(f"{url} redirects to another address ({status}): give that one by --url")
    raise BadInput(_line(status, body, url))


def _line(status: int, body: bytes, url: str) -> str:
    problem = _problem(body)
    if problem is None:
        return f"{url} answered {status}: is the address right?"
    text = problem.detail or problem.title
    fields = "; ".join(f"{e.field}: {e.message}" for e in problem.errors[:3] if e.message not in text)
    return clip(f"{text} ({fields})" if fields else text)


def _tail(body: bytes) -> str:
    problem = _problem(body)
    return f": {clip(problem.detail or problem.title)}" if problem else ""


def _request(headers: Mapping[str, str]) -> str:
    """What whoever runs the stack finds in its logs."""
    request_id = headers.get(REQUEST_ID_HEADER, "")
    return f" (request {request_id})" if is_request_id(request_id) else ""


def _problem(body: bytes) -> Problem | None:
    try:
        return Problem.model_validate_json(body, extra="ignore")
    except ValidationError:
        return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "")
    return min(float(text), _MAX_RETRY_AFTER_SECONDS) if text.isascii() and text.isdigit() else None
