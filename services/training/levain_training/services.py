"""What the routes may use, and who may use it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Query, Request

from levain_contracts.claims import Claims, Role
from levain_contracts.ids import ID_PATTERN
from levain_logs import bound_field
from levain_training.authentication import Authenticator, NotAuthenticated
from levain_training.jobs import Jobs, Starter
from levain_training.previews import Previews
from levain_training.problems import Refused
from levain_training.readiness import Readiness
from levain_training.samples import Samples
from levain_training.settings import Settings
from levain_training.store.engine import Store

MAX_PAGE = 1000
DEFAULT_PAGE = 100


@dataclass(frozen=True)
class Services:
    store: Store
    jobs: Jobs
    samples: Samples
    previews: Previews
    authenticator: Authenticator
    settings: Settings
    readiness: Readiness


def _services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


Uses = Annotated[Services, Depends(_services)]
TenantId = Annotated[str, Path(pattern=ID_PATTERN)]
JobId = Annotated[str, Path(pattern=ID_PATTERN)]
PageLimit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="at most so many items; the answer's `next` leads on")]


async def _caller(request: Request, uses: Uses) -> Claims:
    try:
        return await uses.authenticator.claims(request.headers.getlist("authorization"))
    except NotAuthenticated as error:
        raise Refused(401, "unauthenticated", str(error), headers={"WWW-Authenticate": "Bearer"}) from None


Caller = Annotated[Claims, Depends(_caller)]


def _operator(claims: Caller) -> Claims:
    if claims.role is not Role.OPERATOR:
        raise Refused(403, "operator_only", "only a token of the role operator may ask across tenants")
    return claims


Operator = Annotated[Claims, Depends(_operator)]


def _reader(tenant_id: TenantId, claims: Caller) -> Claims:
    if claims.tenant_id != tenant_id:
        raise Refused(403, "other_tenant", "the token is not for this tenant")
    return claims


Reader = Annotated[Claims, Depends(_reader)]


def _trainer(claims: Reader) -> Claims:
    if not claims.may_train:
        raise Refused(403, "viewer_may_not", "a token of the role viewer may read and watch, but not start, cancel or upload")
    return claims


Trainer = Annotated[Claims, Depends(_trainer)]


def _starter(claims: Trainer) -> Starter:
    return Starter(claims.role, bound_field("request_id"))


Starts = Annotated[Starter, Depends(_starter)]
