"""What the API answers when it can't do what was asked: RFC 9457, one table row a code (docs/errors.md)."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from levain_contracts.model import clip
from levain_contracts.resources import FieldError, Problem
from levain_training.store.engine import StoreUnavailable, Unstorable

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Refused(Exception):
    """Ends a request with a problem. `field` names what is wrong in the request, where it is one thing."""

    def __init__(self, status: int, code: str, detail: str, *, field: str | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers or {}
        errors = [] if field is None else [FieldError(field=field, message=detail)]
        self.problem = make_problem(status, code, detail, errors)


def make_problem(status: int, code: str, detail: str, errors: list[FieldError] | None = None) -> Problem:
    return Problem(
        type=f"urn:levain:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=clip(detail),
        code=code,
        errors=errors or [],
    )


def answer(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(problem.model_dump(mode="json"), problem.status, headers, MEDIA_TYPE)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return answer(error.problem, error.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [FieldError(field=_field(e["loc"]), message=e["msg"]) for e in error.errors()]
    first = errors[0]
    return answer(make_problem(422, "invalid_request", f"{first.field}: {first.message}", errors))


def _field(loc: tuple[int | str, ...]) -> str:
    """`dataset.uri` and not `body.dataset.uri`: the place in what the caller wrote."""
    return ".".join(str(part) for part in loc[1:]) or str(loc[0])


_CODES = {404: "not_found", 405: "method_not_allowed"}


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "http_error")
    return answer(make_problem(error.status_code, code, str(error.detail)), dict(error.headers or {}))


async def _store_away(_: Request, error: Exception) -> JSONResponse:
    log.warning("store away", extra={"error": str(error)})
    return answer(make_problem(503, "store_unavailable", "the database is away; try again"), {"Retry-After": "2"})


async def _unstorable(_: Request, error: Exception) -> JSONResponse:
    return answer(make_problem(422, "invalid_request", f"a value that the database can't hold: {error}"))


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    log.error("request failed", exc_info=error)
    return answer(make_problem(500, "internal_error", "the service failed; its log says why"))


def install(app: FastAPI) -> None:
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(StoreUnavailable, _store_away)
    app.add_exception_handler(Unstorable, _unstorable)
    app.add_exception_handler(Exception, _unexpected)


_CONTENT: dict[str, Any] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


Responses = dict[int | str, dict[str, Any]]


def responses(*codes: int) -> Responses:
    """For OpenAPI: the problems that a route may answer, with those that every route may."""
    return {code: {"model": Problem, "description": HTTPStatus(code).phrase, "content": _CONTENT} for code in (401, 403, 422, 503, *codes)}
