import base64
import hashlib
import hmac
import json
import traceback
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from levain_contracts.claims import (
    MAX_LIFETIME_SECONDS,
    MAX_TOKEN_CHARS,
    Claims,
    Role,
    TokenRefused,
    TrustedIssuer,
    parse_issuers,
    sign,
    verify,
)

NOW = 1_700_000_000
SECRET = "s" * 64  # long enough for HS512 too
_EC = generate_private_key(SECP256R1())
EC_PRIVATE = _EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
EC_PUBLIC = _EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

ISSUER = TrustedIssuer(issuer="https://id.example", secret=SecretStr(SECRET))
NARROW = TrustedIssuer(issuer="narrow", secret=SecretStr("n" * 32), tenants=("corner-bakery",), roles=(Role.VIEWER,))
SIGNS = TrustedIssuer(issuer="signs", algorithm="ES256", public_key=EC_PUBLIC)
REMOTE = TrustedIssuer(issuer="remote", algorithm="RS256", jwks_url="https://id.example/jwks")
ISSUERS = (ISSUER, NARROW, SIGNS, REMOTE)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw_token(header: bytes, payload: bytes, secret: str = SECRET) -> str:
    """A token with a right HS256 signature over whatever it holds."""
    signed = f"{b64(header)}.{b64(payload)}"
    return f"{signed}.{b64(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


def token(secret: str = SECRET, header: dict[str, Any] | None = None, without: str = "", **changes: Any) -> str:
    payload = {
        "iss": ISSUER.issuer,
        "aud": "levain",
        "sub": "anna",
        "iat": NOW - 60,
        "exp": NOW + 3600,
        "tenant_id": "corner-bakery",
    } | changes
    payload.pop(without, None)
    return raw_token(json.dumps({"alg": "HS256", "typ": "JWT"} | (header or {})).encode(), json.dumps(payload).encode(), secret)


def check(text: str, **options: Any) -> Claims:
    return verify(text, ISSUERS, now=lambda: NOW, **options)


def payload_of(text: str) -> dict[str, Any]:
    payload: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    return payload


def resigned(good: str, **changes: Any) -> str:
    """The payload of another token under the signature of a good one."""
    header, _, signature = good.split(".")
    return f"{header}.{token(**changes).split('.')[1]}.{signature}"


BAD_TOKENS: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "too long": lambda: token(pad="x" * MAX_TOKEN_CHARS),
    "not ASCII": lambda: token() + "é",
    "a space before": lambda: " " + token(),
    "two of them": lambda: f"{token()},{token()}",
    "one part": lambda: "abc",
    "two parts": lambda: token().rpartition(".")[0],
    "five parts": lambda: f"{token()}.a.b",
    "no signature": lambda: token().rpartition(".")[0] + ".",
    "algorithm none": lambda: jwt.encode({"iss": ISSUER.issuer}, "", algorithm="none"),
    "algorithm nOnE": lambda: token(header={"alg": "nOnE"}),
    "algorithm none over a good payload": lambda: token(header={"alg": "none"}),
    "another algorithm of the same key": lambda: jwt.encode(payload_of(token()), SECRET, "HS512"),
    "no algorithm": lambda: raw_token(b"{}", b"{}"),
    "a header that is a list": lambda: raw_token(b"[]", b"{}"),
    "a header that is no JSON": lambda: raw_token(b"{", b"{}"),
    "a payload that is a list": lambda: raw_token(b'{"alg":"HS256"}', b"[]"),
    "a payload that is no JSON": lambda: raw_token(b'{"alg":"HS256"}', b"\xff"),
    "a payload that nests too deeply": lambda: raw_token(b'{"alg":"HS256"}', b"[" * 5000),
    "a key id that is a number": lambda: token(header={"kid": 7}),
    "an extension that must be understood": lambda: token(header={"crit": ["x"], "x": 1}),
    "another secret": lambda: token("t" * 32),
    "the secret of another issuer": lambda: token("n" * 32),
    "an altered payload": lambda: resigned(token(), tenant_id="other-bakery"),
    "the public key used as a secret": lambda: token(EC_PUBLIC, iss="signs"),
    "a secret of ours for an issuer with a key pair": lambda: token(iss="signs"),
    "an issuer whose keys are not known yet": lambda: token(iss="remote"),
    "an unknown issuer": lambda: token(iss="https://evil.example"),
    "an issuer that is a list": lambda: token(iss=[ISSUER.issuer]),
    "an issuer in other case": lambda: token(iss=ISSUER.issuer.upper()),
    "another audience": lambda: token(aud="bread"),
    "an audience that is a number": lambda: token(aud=7),
    "no iss": lambda: token(without="iss"),
    "no aud": lambda: token(without="aud"),
    "no sub": lambda: token(without="sub"),
    "no iat": lambda: token(without="iat"),
    "no exp": lambda: token(without="exp"),
    "no tenant": lambda: token(without="tenant_id"),
    "expired": lambda: token(exp=NOW - 31),
    "issued in the future": lambda: token(iat=NOW + 31),
    "issued in the future but said to be valid": lambda: token(iat=NOW + 31, nbf=NOW - 60),
    "not valid yet": lambda: token(nbf=NOW + 31),
    "a life of more than a day": lambda: token(exp=NOW - 60 + MAX_LIFETIME_SECONDS + 1),
    "exp as text": lambda: token(exp=str(NOW + 3600)),
    "exp true": lambda: token(exp=True),
    "exp null": lambda: token(exp=None),
    "exp negative": lambda: token(exp=-1),
    "exp infinite": lambda: token(exp=float("inf")),
    "exp not a number": lambda: token(exp=float("nan")),
    "exp beyond all": lambda: token(exp=10**400),
    "iat not a number": lambda: token(iat=float("nan")),
    "iat as a list": lambda: token(iat=[NOW]),
    "nbf as text": lambda: token(nbf="now"),
    "sub a number": lambda: token(sub=7),
    "sub empty": lambda: token(sub=""),
    "sub too long": lambda: token(sub="x" * 201),
    "tenant a number": lambda: token(tenant_id=7),
    "tenant a list": lambda: token(tenant_id=["corner-bakery"]),
    "tenant with a slash": lambda: token(tenant_id="corner/bakery"),
    "tenant in capitals": lambda: token(tenant_id="Corner-Bakery"),
    "tenant with a newline": lambda: token(tenant_id="corner-bakery\n"),
    "tenant empty": lambda: token(tenant_id=""),
    "tenant that the issuer may not speak for": lambda: token("n" * 32, iss="narrow", role="viewer", tenant_id="other-bakery"),
    "role that the issuer may not give": lambda: token("n" * 32, iss="narrow", role="trainer"),
    "default role that the issuer may not give": lambda: token("n" * 32, iss="narrow"),
    "role operator": lambda: token(role="operator"),
    "role unknown": lambda: token(role="baker"),
    "role a list": lambda: token(role=["viewer"]),
    "role null": lambda: token(role=None),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_bad_token_is_refused_and_not_repeated(name: str) -> None:
    bad = BAD_TOKENS[name]()
    with pytest.raises(TokenRefused) as refused:
        check(bad)
    assert_silent(refused.value, bad)


def assert_silent(error: TokenRefused, bad: str) -> None:
    told = "".join(traceback.format_exception(error)) + repr(error)
    assert not [part for part in bad.split(".") if len(part) >= 12 and part in told]
    assert "\n" not in str(error)


@given(st.text(max_size=300))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        check(text)
    assert_silent(refused.value, text)


@given(st.data())
def test_a_token_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    good = token()
    at = data.draw(st.integers(0, len(good) - 2))  # the last character of a signature holds two unused bits
    changed = data.draw(st.sampled_from("ABCxyz019-_.").filter(lambda c: c != good[at]))
    with pytest.raises(TokenRefused):
        check(good[:at] + changed + good[at + 1 :])


json_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers(), max_size=2)


@given(st.sampled_from(["iss", "aud", "sub", "iat", "exp", "nbf", "role", "tenant_id"]), json_scalars)
def test_a_claim_of_any_type_is_taken_or_refused(claim: str, value: Any) -> None:
    try:
        claims = check(token(**{claim: value}))
    except TokenRefused:
        return
    assert claims.tenant_id == (value if claim == "tenant_id" else "corner-bakery")
    assert claims.role in ISSUER.roles


def test_a_good_token_says_who_it_speaks_for() -> None:
    assert check(token()) == Claims("corner-bakery", "anna", Role.TRAINER, ISSUER.issuer, NOW + 3600)
    assert check(token()).may_train


def test_a_viewer_may_not_train() -> None:
    claims = check(token(role="viewer"))
    assert (claims.role, claims.may_train) == (Role.VIEWER, False)


@pytest.mark.parametrize(
    "change", [{"exp": NOW - 29}, {"iat": NOW + 29}, {"nbf": NOW + 29}, {"exp": NOW + 0.5}, {"aud": ["bread", "levain"]}]
)
def test_clocks_may_differ_a_little_and_audiences_be_many(change: dict[str, Any]) -> None:
    assert check(token(**change)).subject == "anna"


def test_a_token_of_a_key_pair_is_good() -> None:
    payload = {"iss": "signs", "aud": "levain", "sub": "anna", "iat": NOW, "exp": NOW + 60, "tenant_id": "corner-bakery"}
    assert check(jwt.encode(payload, EC_PRIVATE, "ES256")).issuer == "signs"


def test_the_claim_that_names_the_tenant_is_a_setting() -> None:
    text = token(without="tenant_id", org="corner-bakery")
    assert check(text, tenant_claim="org").tenant_id == "corner-bakery"
    with pytest.raises(TokenRefused, match="tenant"):
        check(text)


def test_a_key_can_be_looked_up_by_its_id() -> None:
    asked: list[tuple[str, str | None]] = []

    def key_of(issuer: TrustedIssuer, kid: str | None) -> str:
        asked.append((issuer.issuer, kid))
        return SECRET

    check(token(header={"kid": "k1"}), key_of=key_of)
    assert asked == [(ISSUER.issuer, "k1")]


@given(st.sampled_from([Role.VIEWER, Role.TRAINER]), st.integers(1, MAX_LIFETIME_SECONDS), st.text(min_size=1, max_size=200))
def test_what_we_sign_we_verify(role: Role, lifetime_seconds: int, subject: str) -> None:
    text = sign(ISSUER, tenant_id="corner-bakery", subject=subject, role=role, lifetime_seconds=lifetime_seconds, now=lambda: NOW)
    assert check(text) == Claims("corner-bakery", subject, role, ISSUER.issuer, NOW + lifetime_seconds)


def test_nobody_signs_without_a_secret() -> None:
    with pytest.raises(ValueError, match="no secret"):
        sign(SIGNS, tenant_id="corner-bakery", subject="anna")


BAD_ISSUERS: list[tuple[str, Any]] = [
    ("the list is empty", []),
    ("issuer", [{"secret": SECRET}]),
    ("exactly one of", [{"issuer": "a"}]),
    ("exactly one of", [{"issuer": "a", "secret": SECRET, "public_key": EC_PUBLIC}]),
    ("HS256 goes with secret", [{"issuer": "a", "algorithm": "ES256", "secret": SECRET}]),
    ("HS256 goes with secret", [{"issuer": "a", "public_key": EC_PUBLIC}]),
    ("at least 32 bytes", [{"issuer": "a", "secret": "hunter2hunter2"}]),
    ("algorithm", [{"issuer": "a", "algorithm": "none", "secret": SECRET}]),
    ("jwks_url", [{"issuer": "a", "algorithm": "RS256", "jwks_url": "http://id.example/jwks"}]),
    ("tenants", [{"issuer": "a", "secret": SECRET, "tenants": ["A B"]}]),
    ("roles", [{"issuer": "a", "secret": SECRET, "roles": ["baker"]}]),
    ("same issuer", [{"issuer": "a", "secret": SECRET}, {"issuer": "a", "secret": SECRET}]),
    ("0.scret", [{"issuer": "a", "scret": SECRET}]),
]


@pytest.mark.parametrize(("says", "issuers"), BAD_ISSUERS)
def test_a_bad_list_of_issuers_is_refused_in_one_line_without_its_secrets(says: str, issuers: Any) -> None:
    with pytest.raises(ValueError, match=r"^trusted issuers: ") as refused:
        parse_issuers(json.dumps(issuers))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert SECRET not in "".join(traceback.format_exception(refused.value))
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("text", ["", "{", "{}", "null", '[{"issuer":"a","secret":"' + SECRET])
def test_a_list_of_issuers_that_is_no_json_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^trusted issuers: ") as refused:
        parse_issuers(text)
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_a_secret_is_in_no_repr_of_its_issuer() -> None:
    assert SECRET not in repr(ISSUER) + str(ISSUER) + ISSUER.model_dump_json()
