import pytest
from hypothesis import given
from hypothesis import strategies as st

from levain_contracts.claims import Claims, Role
from levain_gateway.access import Guarded, Local, Public, admit, examine
from levain_gateway.head import Head, Headers, forwarded, offered_protocols, request_id
from levain_gateway.refusals import TABLE, Refusal

NONE: frozenset[str] = frozenset()
JOBS = b"/api/v1/tenants/acme/training/jobs"
LIVE = JOBS + b"/j1/live"
AUTH = (b"authorization", b"Bearer a.b.c")


def head(path: bytes = JOBS, query: bytes = b"", *headers: tuple[bytes, bytes], method: str = "GET") -> Head:
    return Head(method, path, query, [(b"host", b"levain.example"), *headers], "192.0.2.1")


def seen(path: bytes = JOBS, query: bytes = b"", *headers: tuple[bytes, bytes], websocket: bool = False) -> object:
    return examine(head(path, query, *headers), websocket=websocket, allowed_origins=NONE)


@pytest.mark.parametrize(
    "path",
    [
        b"/api/v1/tenants/Acme/training/jobs",
        b"/api/v1/tenants/-a/training/jobs",
        b"/api/v1/tenants/" + b"a" * 64 + b"/training/jobs",
        b"/api/v1/tenants/ac%6De/training/jobs",
        b"/api/v1/tenants/acme/training/jobs/%2e%2e",
        b"/api/v1/tenants/acme/training/../../other/training/jobs",
        b"/api/v1/tenants/acme/training/./jobs",
        b"/api/v1/tenants//training/jobs",
        b"/api/v1//tenants/acme/training/jobs",
        b"/api/v1/tenants/acme/training//jobs",
        b"/api/v1/tenants/acme/training/jobs\\x",
        b"/api/v1/tenants/acme/training/jobs\xc3\xa9",
    ],
)
def test_a_malformed_path_is_refused(path: bytes) -> None:
    assert seen(path, b"", AUTH) is Refusal.BAD_PATH


@pytest.mark.parametrize(
    "path", [b"/api/v1/tenants/acme/training/jobs/J1/live", b"/api/v1/tenants/acme/training/jobs/a_b/live", b"//live", b"*"]
)
def test_a_malformed_live_path_is_refused(path: bytes) -> None:
    assert seen(path, b"", AUTH, websocket=True) is Refusal.BAD_PATH


@pytest.mark.parametrize(
    "path",
    [
        b"/api",
        b"/api/v1/training/jobs",
        b"/api/v1/tenants/acme/forecasting/x",
        b"/api/v1/tenants/acme/training",
        b"/api/v2/tenants/acme/training/x",
        b"/api/v1/tenants",
    ],
)
def test_only_training_of_one_tenant_is_passed_on(path: bytes) -> None:
    assert seen(path, b"", AUTH) is Refusal.NOT_FOUND


@pytest.mark.parametrize("path", [b"/", b"/api/v1/openapi.json", JOBS, LIVE + b"/", JOBS + b"/j1", b"/static/live"])
def test_only_the_live_path_is_upgraded(path: bytes) -> None:
    assert seen(path, b"", AUTH, websocket=True) is Refusal.NOT_FOUND


def test_what_is_not_the_api_is_answered_here() -> None:
    assert [seen(path) for path in (b"/", b"/healthz", b"/assets/a.js", b"/apiary")] == [Local()] * 4


def test_the_description_of_the_api_needs_no_token_and_takes_none_along() -> None:
    assert seen(b"/api/v1/openapi.json", b"a=1&token=x") == Public(b"a=1")
    assert examine(head(b"/api/v1/openapi.json", method="POST"), websocket=False, allowed_origins=NONE) is Refusal.NOT_FOUND


PROTOCOL = (b"sec-websocket-protocol", b"levain.v1, levain.bearer.a.b.c")


@pytest.mark.parametrize(
    ("query", "headers", "websocket"),
    [
        (b"", [AUTH], False),
        (b"", [(b"authorization", b"bearer  a.b.c ")], True),
        (b"token=a.b.c", [], False),
        (b"tok%65n=a%2Eb.c", [], True),
        (b"", [PROTOCOL], True),
        (b"", [(b"sec-websocket-protocol", b"levain.v1"), (b"sec-websocket-protocol", b"levain.bearer.a.b.c")], True),
    ],
)
def test_a_token_may_come_in_each_of_three_ways(query: bytes, headers: Headers, websocket: bool) -> None:
    assert seen(LIVE, query, *headers, websocket=websocket) == Guarded("acme", "a.b.c", b"")


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        (b"token=a.b.c", [AUTH]),
        (b"token=a.b.c&token=a.b.c", []),
        (b"token=", [AUTH]),
        (b"", [AUTH, AUTH]),
        (b"", [AUTH, PROTOCOL]),
        (b"token=a.b.c", [PROTOCOL]),
        (b"", [(b"sec-websocket-protocol", b"levain.bearer.a, levain.bearer.b")]),
        (b"", [(b"authorization", b"Basic eDp5"), PROTOCOL]),
    ],
)
def test_more_than_one_token_is_refused(query: bytes, headers: Headers) -> None:
    assert seen(LIVE, query, *headers, websocket=True) is Refusal.TWO_TOKENS


def test_no_token_is_told_from_one_that_can_not_be_valid() -> None:
    assert seen() is Refusal.TOKEN_MISSING
    assert seen(JOBS, b"token=") is Refusal.TOKEN_INVALID
    assert seen(JOBS, b"", (b"authorization", b"Basic eDp5")) is Refusal.TOKEN_INVALID
    assert seen(JOBS, b"", (b"authorization", b"a.b.c")) is Refusal.TOKEN_INVALID


def test_a_token_that_could_break_a_header_is_refused_before_it_is_looked_at() -> None:
    # A base64 decoder passes over line breaks, so a signature that holds some may verify.
    assert seen(JOBS, b"token=a.b.c%0D%0AX-Evil:%201") is Refusal.TOKEN_INVALID


@given(st.lists(st.sampled_from([b"a=%20", b"token=t", b"b", b"", b"=", b"to+ken=1", b"x=token=1", b"%zz"])))
def test_every_other_byte_of_the_query_is_kept(parts: list[bytes]) -> None:
    found = seen(JOBS, b"&".join(parts), *([] if b"token=t" in parts else [AUTH]))
    if parts.count(b"token=t") > 1:
        assert found is Refusal.TWO_TOKENS
    else:
        assert isinstance(found, Guarded)
        assert found.query == b"&".join(part for part in parts if part != b"token=t")


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, b"levain.example", True),
        ("https://levain.example", b"levain.example", True),
        ("http://levain.example", b"levain.example", True),
        ("https://levain.example:443", b"levain.example", True),
        ("http://levain.example:8080", b"levain.example:8080", True),
        ("https://LEVAIN.example", b"levain.EXAMPLE", True),
        ("http://[::1]:8080", b"[::1]:8080", True),
        ("https://shop.example", b"levain.example", True),
        ("https://shop.example/", b"levain.example", False),
        ("http://shop.example", b"levain.example", False),
        ("https://shop.example.evil.example", b"levain.example", False),
        ("https://evil.example", b"levain.example", False),
        ("https://levain.example:8443", b"levain.example", False),
        ("https://levain.example/path", b"levain.example", False),
        ("null", b"levain.example", False),
        ("", b"levain.example", False),
        ("file://", b"", False),
        ("https://levain.example:x", b"levain.example", False),
        ("chrome-extension://levain.example", b"levain.example", False),
    ],
)
def test_an_origin_is_ours_or_on_the_list_or_absent(origin: str | None, host: bytes, allowed: bool) -> None:
    headers = [(b"host", host), AUTH] + ([(b"origin", origin.encode())] if origin is not None else [])
    for websocket in (True, False):
        found = examine(Head("GET", LIVE, b"", headers), websocket=websocket, allowed_origins=frozenset({"https://shop.example"}))
        assert isinstance(found, Guarded) is allowed
        assert allowed or found is Refusal.BAD_ORIGIN


def test_two_origins_are_refused() -> None:
    origin = (b"origin", b"https://levain.example")
    assert seen(LIVE, b"", AUTH, origin, origin, websocket=True) is Refusal.BAD_ORIGIN


def claims(tenant_id: str = "acme", role: Role = Role.TRAINER) -> Claims:
    return Claims(tenant_id, "someone", role, "tests", 0)


@pytest.mark.parametrize(
    ("method", "who", "answer"),
    [
        ("GET", claims(), None),
        ("POST", claims(), None),
        ("GET", claims("other"), Refusal.WRONG_TENANT),
        ("POST", claims("other", Role.VIEWER), Refusal.WRONG_TENANT),
        ("GET", claims(role=Role.VIEWER), None),
        ("HEAD", claims(role=Role.VIEWER), None),
        ("POST", claims(role=Role.VIEWER), Refusal.READ_ONLY),
        ("DELETE", claims(role=Role.VIEWER), Refusal.READ_ONLY),
        ("PROPFIND", claims(role=Role.VIEWER), Refusal.READ_ONLY),
    ],
)
def test_the_claim_must_be_for_the_path_s_tenant_and_a_viewer_only_reads(method: str, who: Claims, answer: Refusal | None) -> None:
    assert admit(method, Guarded("acme", "a.b.c", b""), who) is answer


def test_what_goes_on_holds_the_token_once_and_nothing_of_this_hop() -> None:
    came = head(
        LIVE,
        b"",
        (b"authorization", b"Bearer old"),
        (b"connection", b"Upgrade, HTTP2-Settings, X-Secret-Hop"),
        (b"upgrade", b"h2c"),
        (b"http2-settings", b"AAMA"),
        (b"x-secret-hop", b"1"),
        (b"te", b"trailers"),
        (b"expect", b"100-continue"),
        (b"forwarded", b"for=evil"),
        (b"x-forwarded-for", b"evil"),
        (b"x-forwarded-prefix", b"/evil"),
        (b"x-real-ip", b"evil"),
        (b"x-request-id", b"evil"),
        (b"sec-websocket-protocol", b"levain.bearer.old"),
        (b"accept", b"text/csv"),
        (b"cookie", b"a=1"),
    )
    assert sorted(forwarded(came, "new", "r1")) == [
        (b"accept", b"text/csv"),
        (b"authorization", b"Bearer new"),
        (b"cookie", b"a=1"),
        (b"host", b"levain.example"),
        (b"x-forwarded-for", b"192.0.2.1"),
        (b"x-forwarded-host", b"levain.example"),
        (b"x-forwarded-proto", b"http"),
        (b"x-request-id", b"r1"),
    ]


def test_a_length_beside_a_transfer_encoding_does_not_go_on() -> None:
    names = [name for name, _ in forwarded(head(JOBS, b"", (b"content-length", b"5"), (b"transfer-encoding", b"chunked")), None, "r")]
    assert b"content-length" not in names


def test_the_protocol_that_holds_the_token_is_never_offered_on() -> None:
    assert offered_protocols(head(LIVE, b"", PROTOCOL, (b"sec-websocket-protocol", b"other"))) == [b"levain.v1", b"other"]


@pytest.mark.parametrize(
    ("given", "taken"),
    [(b"abc.DEF_1-2", True), (b"a" * 64, True), (b"a" * 65, False), (b"", False), (b"a b", False), (b'a"', False), (b"a\n", False)],
)
def test_a_request_id_is_taken_when_it_is_harmless(given: bytes, taken: bool) -> None:
    assert request_id(head(JOBS, b"", (b"x-request-id", given)), lambda: "made") == (given.decode() if taken else "made")


def test_every_refusal_has_its_row() -> None:
    assert set(TABLE) == set(Refusal)
    assert all(400 <= row.status < 600 and len(row.title) < 100 for row in TABLE.values())
