import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levain.errors import BadInput, CommandFailed
from levain.target import target
from levain.tokens import issuer_of, signed

URL = "https://levain.example"


def jwt_of(claims: object) -> str:
    return f"h.{urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.s"


def test_the_tenant_is_the_one_asked_for_else_the_tokens_else_demo() -> None:
    acme = signed(issuer_of("x" * 32), "acme")
    assert target(URL, acme, "other", {}).tenant == "other"
    assert target(URL, acme, None, {}).tenant == "acme"
    assert target(URL, "opaque", None, {}).tenant == "demo"


@pytest.mark.parametrize("claims", [[], {}, {"tenant_id": 1}, {"tenant_id": "A B"}, "x", None])
def test_a_token_with_odd_claims_is_left_to_the_server(claims: object) -> None:
    assert target(URL, jwt_of(claims), None, {}).tenant == "demo"


@pytest.mark.parametrize(
    ("url", "token", "tenant", "says"),
    [
        ("levain.example", "t", None, "--url"),
        ("ftp://levain.example", "t", None, "--url"),
        ("http://", "t", None, "--url"),
        ("http://h:99999", "t", None, "--url"),
        ("http://[::1", "t", None, "--url"),
        ("http://a b", "t", None, "--url"),
        ("http://user:geheim@h", "t", None, "credentials"),
        (URL, None, None, "token"),
        (URL, "", None, "token"),
        (URL, "a\nb", None, "token"),
        (URL, "é", None, "token"),
        (URL, "t", "A", "--tenant"),
        (URL, "t", "a/b", "--tenant"),
    ],
)
def test_what_can_not_work_is_refused_before_anything_is_sent(url: str, token: str | None, tenant: str | None, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        target(url, token, tenant, {})
    assert says in str(refused.value)
    assert "geheim" not in str(refused.value)


@given(st.text(max_size=60), st.text(max_size=60), st.none() | st.text(max_size=20))
def test_any_text_is_taken_or_refused_with_one_line(url: str, token: str, tenant: str | None) -> None:
    try:
        target(url, token, tenant, {})
    except CommandFailed as refused:
        assert str(refused).isprintable()  # noqa: PT017


def test_a_trailing_slash_is_no_part_of_the_address() -> None:
    assert target(f"{URL}/levain/", "t", None, {}).url == f"{URL}/levain"
