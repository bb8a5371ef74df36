import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.kit import KEY, SWITCHING

from levain_contracts.closecodes import CloseCode
from levain_gateway.boundary import FrameBoundary
from levain_gateway.handshake import BadAnswer, accept, agreed_protocol, close_frame, fault, parse_answer, switching, upstream_request
from levain_gateway.head import Head
from levain_gateway.refusals import TABLE

HEAD = Head(
    "GET",
    b"/x",
    b"token=old&a=1",
    [
        (b"host", b"h"),
        (b"sec-websocket-key", KEY.encode()),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-extensions", b"permessage-deflate"),
        (b"sec-websocket-protocol", b"levain.v1, levain.bearer.t"),
    ],
)


def test_the_accept_is_that_of_the_standard_s_example() -> None:
    head = Head("GET", b"/", b"", [(b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")])
    assert accept(head) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 §1.3


def test_the_handshake_goes_on_without_extensions_and_with_the_token_in_one_place() -> None:
    request = upstream_request(HEAD, b"a=1", "t", "r1")
    first, *lines = request[:-4].split(b"\r\n")
    assert first == b"GET /x?a=1 HTTP/1.1"
    assert request.endswith(b"\r\n\r\n")
    assert {line for line in lines if line.startswith((b"sec-", b"auth"))} == {
        b"authorization: Bearer t",
        b"sec-websocket-key: " + KEY.encode(),
        b"sec-websocket-version: 13",
        b"sec-websocket-protocol: levain.v1",
    }


def test_our_answer_is_one_that_we_would_take() -> None:
    assert fault(HEAD) is None
    assert agreed_protocol(HEAD, parse_answer(switching(HEAD, b"levain.v1", "r")[:-4])) == b"levain.v1"
    assert agreed_protocol(HEAD, parse_answer(SWITCHING[:-4])) is None


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda junk: SWITCHING[:-4] + b"\r\n" + junk)))
def test_an_answer_is_taken_or_bad_whatever_its_bytes(text: bytes) -> None:
    try:
        assert agreed_protocol(HEAD, parse_answer(text)) in (None, b"levain.v1")
    except BadAnswer:
        pass


@given(st.sampled_from(CloseCode), st.text(max_size=60).filter(lambda reason: len(reason.encode()) <= 123))
def test_a_close_frame_is_one_frame_with_its_code(code: CloseCode, reason: str) -> None:
    boundary = FrameBoundary()
    boundary.feed(close_frame(code, reason))
    assert (boundary.frames, boundary.between_frames, boundary.close_code) == (1, True, code)


def test_every_reason_fits_into_a_close_frame() -> None:
    for row in TABLE.values():
        close_frame(row.close_code, row.title)
    with pytest.raises(ValueError, match="too long"):
        close_frame(1000, "x" * 124)
