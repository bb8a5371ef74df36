from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from levain_gateway.boundary import FrameBoundary
from levain_gateway.handshake import close_frame

LENGTHS = st.one_of(st.integers(0, 130), st.sampled_from([65_535, 65_536, 70_000]))


def frame(opcode: int, payload: bytes, final: bool = True) -> bytes:
    first = bytes((opcode | (0x80 if final else 0),))
    if len(payload) < 126:
        return first + bytes((len(payload),)) + payload
    if len(payload) < 65_536:
        return first + b"\x7e" + len(payload).to_bytes(2, "big") + payload
    return first + b"\x7f" + len(payload).to_bytes(8, "big") + payload


FRAMES = st.lists(
    st.builds(
        frame, st.sampled_from([0, 1, 2, 9, 10]), LENGTHS.map(lambda n: bytes(range(256)) * (n // 256) + bytes(n % 256)), st.booleans()
    ),
    max_size=6,
)


@st.composite
def cut(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """Frames, and the same bytes in other pieces."""
    frames = draw(FRAMES)
    stream = b"".join(frames)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return frames, [stream[a:b] for a, b in pairwise([0, *cuts, len(stream)])]


@given(cut())
def test_frames_are_counted_whatever_the_pieces(given: tuple[list[bytes], list[bytes]]) -> None:
    frames, pieces = given
    ends = {sum(map(len, frames[:n])) for n in range(len(frames) + 1)}
    boundary, fed = FrameBoundary(), 0
    for piece in pieces:
        boundary.feed(piece)
        fed += len(piece)
        assert boundary.between_frames == (fed in ends)
    assert boundary.frames == len(frames)
    assert not boundary.closed


@given(cut(), st.data())
def test_feeding_to_the_end_of_the_frame_stops_exactly_there(given: tuple[list[bytes], list[bytes]], data: st.DataObject) -> None:
    frames, _ = given
    stream = b"".join(frames)
    start = data.draw(st.integers(0, len(stream)))
    boundary = FrameBoundary()
    boundary.feed(stream[:start])
    taken = boundary.feed_to_end_of_frame(stream[start:])
    ends = [sum(map(len, frames[:n])) for n in range(len(frames) + 1)]
    assert start + taken == min(end for end in ends if end >= start)
    assert boundary.between_frames


@given(st.integers(1000, 4999), st.text(max_size=30), FRAMES, st.lists(st.integers(1, 9), min_size=1))
def test_a_close_frame_is_seen_with_its_code(code: int, reason: str, before: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(before) + close_frame(code, reason)
    boundary = FrameBoundary()
    boundary.feed(stream[: -len(close_frame(code, reason))])
    rest = stream[-len(close_frame(code, reason)) :]
    while rest:
        assert not boundary.closed
        boundary.feed(rest[: sizes[0]])
        rest = rest[sizes[0] :]
        sizes = sizes[1:] + sizes[:1]
    assert (boundary.closed, boundary.close_code, boundary.frames) == (True, code, len(before) + 1)


def test_a_close_frame_without_a_code_is_a_close_frame_all_the_same() -> None:
    boundary = FrameBoundary()
    boundary.feed(b"\x88\x00")
    assert (boundary.closed, boundary.close_code) == (True, None)


def test_a_masked_frame_is_measured_too() -> None:
    boundary = FrameBoundary()
    boundary.feed(b"\x81\x85maskhell")
    assert not boundary.between_frames
    boundary.feed(b"o")
    assert boundary.between_frames


def test_a_close_frame_of_any_length_takes_no_memory() -> None:
    boundary = FrameBoundary()
    boundary.feed(b"\x88\x7f" + (2**40).to_bytes(8, "big") + b"\x03\xe8")
    boundary.feed(bytes(1024 * 1024))
    assert not boundary.closed
    assert boundary._in_close is not None and len(boundary._in_close) == 2
