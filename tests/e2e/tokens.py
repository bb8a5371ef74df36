"""Tokens of every kind, and each way of sending one on a live socket."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt
from pydantic import SecretStr

from levain_contracts.claims import Role, TrustedIssuer, sign
from levain_contracts.frames import BEARER_PROTOCOL_PREFIX, PROTOCOL

OTHER_SECRET = "another secret of more than 32 bytes, which nobody trusts"
NOTHING: Mapping[str, str] = {}


class Attempt(NamedTuple):
    """One try to open a live socket: `path` below the tenant's, what is sent, and the close code that it deserves."""

    code: int
    path: str = "/jobs/job/live"
    headers: Mapping[str, str] = NOTHING
    protocols: tuple[str, ...] = (PROTOCOL,)
    query: str = ""
    tenant: str = "demo"


def in_each_place(token: str, code: int = 1000, **given: Any) -> dict[str, Attempt]:
    return {
        "header": Attempt(code, headers={"Authorization": f"Bearer {token}"}, **given),
        "sub-protocol": Attempt(code, protocols=(PROTOCOL, BEARER_PROTOCOL_PREFIX + token), **given),
        "query": Attempt(code, query=f"?token={token}", **given),
    }


def doubled(token: str) -> dict[str, Attempt]:
    header, protocol, query = in_each_place(token, 4400).values()
    return {
        "header and query": header._replace(query=query.query),
        "header and sub-protocol": header._replace(protocols=protocol.protocols),
        "query and sub-protocol": query._replace(protocols=protocol.protocols),
        "query twice": query._replace(query=f"?token={token}&token={token}"),
        "sub-protocol twice": protocol._replace(protocols=(*protocol.protocols, BEARER_PROTOCOL_PREFIX + token[:-1])),
    }


def bad_tokens(issuer: TrustedIssuer) -> dict[str, str]:
    """Each is refused with 4401."""
    good = sign(issuer, tenant_id="demo", subject="x")
    stranger = issuer.model_copy(update={"secret": SecretStr(OTHER_SECRET)})
    claims = jwt.decode(good, options={"verify_signature": False})
    head, body, signature = good.split(".")
    return {
        "expired": sign(issuer, tenant_id="demo", subject="x", lifetime_seconds=-60),
        "of another key": sign(stranger, tenant_id="demo", subject="x"),
        "of an unknown issuer": sign(issuer.model_copy(update={"issuer": "nobody"}), tenant_id="demo", subject="x"),
        "for another audience": sign(issuer.model_copy(update={"audience": "others"}), tenant_id="demo", subject="x"),
        "too long a life": sign(issuer, tenant_id="demo", subject="x", lifetime_seconds=25 * 3600),
        "a role that is not the issuer's to give": sign(issuer, tenant_id="demo", subject="x", role=Role.OPERATOR),
        "unsigned": jwt.encode(claims, "", algorithm="none"),
        "a changed body": f"{head}.{body[:-4]}AAAA.{signature}",
        "a cut signature": good[:-5],
        "no token at all": "rubbish-that-is-no-token",
    }
