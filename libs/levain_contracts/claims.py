"""Who a token speaks for. Gateway and training service verify with this same code (defence in depth).

Fetching a JWKS is I/O and belongs to the caller: `verify` takes the keys that it holds by now.
"""

import re
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

import jwt
from pydantic import Field, SecretStr, TypeAdapter, ValidationError, model_validator

from levain_contracts.ids import is_id
from levain_contracts.model import Id, Name, Resource

MAX_TOKEN_CHARS = 8192
MAX_LIFETIME_SECONDS = 24 * 3600
LEEWAY_SECONDS = 30  # clocks of two machines; RFC 7519 §4.1.4 allows "no more than a few minutes"
_MIN_SECRET_BYTES = 32  # RFC 7518 §3.2: as long as the hash of HS256
_MAX_SUBJECT_CHARS = 200
_TOKEN = re.compile(r"[A-Za-z0-9_.-]+")
# A key that is too short for its algorithm is refused by the library too, not only warned about.
_JWT = jwt.PyJWT(options={"enforce_minimum_key_length": True})


class Role(StrEnum):
    VIEWER = "viewer"
    TRAINER = "trainer"
    OPERATOR = "operator"


class Claims(NamedTuple):
    """`expires_at` is a Unix time in seconds: a socket that is open by then closes with 4401."""

    tenant_id: str
    subject: str
    role: Role
    issuer: str
    expires_at: float

    @property
    def may_train(self) -> bool:
        return self.role is not Role.VIEWER


class TokenRefused(Exception):
    """The token proves nothing. The message holds no part of the token."""


Algorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]


class TrustedIssuer(Resource):
    """One issuer, its one key, and what it may speak for. Exactly one of `secret`, `public_key`, `jwks_url`."""

    issuer: Name
    audience: Name = "levain"
    algorithm: Algorithm = "HS256"
    secret: SecretStr | None = None
    public_key: str | None = None
    jwks_url: Annotated[str, Field(pattern=r"^https://[^\s]+$", max_length=2000)] | None = None
    tenants: tuple[Id, ...] | None = None  # None: every tenant
    roles: tuple[Role, ...] = (Role.VIEWER, Role.TRAINER)

    @model_validator(mode="after")
    def _one_key(self) -> "TrustedIssuer":
        given = [k for k in ("secret", "public_key", "jwks_url") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"issuer {self.issuer!r} needs exactly one of secret, public_key, jwks_url")
        if (self.algorithm == "HS256") != (given == ["secret"]):
            raise ValueError(f"issuer {self.issuer!r}: HS256 goes with secret, every other algorithm with public_key or jwks_url")
        if self.secret is not None and len(self.secret.get_secret_value().encode()) < _MIN_SECRET_BYTES:
            raise ValueError(f"issuer {self.issuer!r}: the secret needs at least {_MIN_SECRET_BYTES} bytes")
        if self.public_key is not None:
            self._check_key(self.public_key)
        return self

    def _check_key(self, key: str) -> None:
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        try:
            weak = algorithm.check_key_length(algorithm.prepare_key(key))
        except Exception:
            raise ValueError(f"issuer {self.issuer!r}: public_key is no PEM key for {self.algorithm}") from None
        if weak:
            raise ValueError(f"issuer {self.issuer!r}: {weak}")


_ISSUERS = TypeAdapter(tuple[TrustedIssuer, ...])
KeyOf = Callable[[TrustedIssuer, str | None], Any]


def parse_issuers(text: str) -> tuple[TrustedIssuer, ...]:
    """From a JSON list. Raises ValueError with one line that names the issuer or field, and no secret."""
    try:
        issuers = _ISSUERS.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"trusted issuers: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if not issuers:
        raise ValueError("trusted issuers: the list is empty, so no token could ever be accepted")
    if len({i.issuer for i in issuers}) != len(issuers):
        raise ValueError("trusted issuers: two entries have the same issuer")
    return issuers


def fixed_key(issuer: TrustedIssuer, kid: str | None) -> Any:
    """The key that is written in the settings; an issuer with a JWKS URL has none here."""
    if issuer.secret is not None:
        return issuer.secret.get_secret_value()
    if issuer.public_key is None:
        raise TokenRefused("the issuer's keys are not known yet")
    return issuer.public_key


def verify(
    token: str,
    issuers: Iterable[TrustedIssuer],
    *,
    tenant_claim: str = "tenant_id",
    key_of: KeyOf = fixed_key,
    now: Callable[[], float] = time.time,
) -> Claims:
    """Raises `TokenRefused` whatever is wrong: length, form, issuer, key, signature, a claim's type or its bounds."""
    # A decoder of base64 skips what it does not know, so that a token with a line break inside could verify and then split a header.
    if not 0 < len(token) <= MAX_TOKEN_CHARS or not _TOKEN.fullmatch(token):
        raise TokenRefused("the token is empty, too long or holds a character that no token has")
    try:
        issuer = _issuer_of(token, issuers)
        key = key_of(issuer, jwt.get_unverified_header(token).get("kid"))
        payload = _JWT.decode(
            token,
            key,
            algorithms=[issuer.algorithm],
            issuer=issuer.issuer,
            audience=issuer.audience,
            options={"require": ["exp", "iat", "sub", "iss", "aud"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        return _claims(payload, issuer, tenant_claim, now())
    except TokenRefused:
        raise
    except Exception as error:
        # Whatever a parser makes of hostile input, it means 401; the text could hold a part of the token.
        raise TokenRefused(f"the token is invalid ({type(error).__name__})") from None


def _issuer_of(token: str, issuers: Iterable[TrustedIssuer]) -> TrustedIssuer:
    name = jwt.decode(token, options={"verify_signature": False}).get("iss")
    for issuer in issuers:
        if issuer.issuer == name:
            return issuer
    raise TokenRefused("the token's issuer is not trusted")


def _claims(payload: dict[str, Any], issuer: TrustedIssuer, tenant_claim: str, now: float) -> Claims:
    issued, expires = _seconds(payload, "iat"), _seconds(payload, "exp")
    not_before = _seconds(payload, "nbf") if "nbf" in payload else issued
    if expires <= now - LEEWAY_SECONDS:
        raise TokenRefused("the token has expired")
    if max(issued, not_before) > now + LEEWAY_SECONDS:
        raise TokenRefused("the token is not valid yet")
    if expires - issued > MAX_LIFETIME_SECONDS:
        raise TokenRefused("the token lives longer than 24 hours")
    subject, tenant = payload["sub"], payload.get(tenant_claim)
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT_CHARS:
        raise TokenRefused("the token's subject is missing or too long")
    if not isinstance(tenant, str) or not is_id(tenant):
        raise TokenRefused("the token's tenant is missing or malformed")
    if issuer.tenants is not None and tenant not in issuer.tenants:
        raise TokenRefused("the issuer may not speak for this tenant")
    return Claims(tenant, subject, _role(payload, issuer), issuer.issuer, expires)


def _seconds(payload: dict[str, Any], claim: str) -> float:
    value = payload[claim]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise TokenRefused(f"the token's {claim} is no time")
    return float(value)


def _role(payload: dict[str, Any], issuer: TrustedIssuer) -> Role:
    value = payload.get("role", Role.TRAINER.value)
    if not isinstance(value, str) or value not in {r.value for r in issuer.roles}:
        raise TokenRefused("the token's role is unknown or not this issuer's to give")
    return Role(value)


def sign(
    issuer: TrustedIssuer,
    *,
    tenant_id: str,
    subject: str,
    role: Role = Role.TRAINER,
    lifetime_seconds: int = 3600,
    tenant_claim: str = "tenant_id",
    now: Callable[[], float] = time.time,
) -> str:
    """A token by an issuer whose secret we hold."""
    if issuer.secret is None:
        raise ValueError(f"issuer {issuer.issuer!r} has no secret to sign with")
    issued = int(now())
    payload = {
        "iss": issuer.issuer,
        "aud": issuer.audience,
        "sub": subject,
        "iat": issued,
        "exp": issued + lifetime_seconds,
        tenant_claim: tenant_id,
        "role": role.value,
    }
    return jwt.encode(payload, issuer.secret.get_secret_value(), algorithm="HS256")
