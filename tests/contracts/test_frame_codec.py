import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.contracts.strategies import codes, counts, events, failures, ids, json_values, messages, seqs, times

from levain_contracts.events import Event, EventType
from levain_contracts.frames import (
    FRAME_DATA,
    FRAME_OF,
    PONG,
    Frame,
    FrameType,
    Ping,
    Pong,
    SnapshotData,
    Stage,
    decode,
    encode,
    frame,
    snapshot,
)
from levain_contracts.jobs import JobState
from levain_contracts.viewer import ViewerState, apply

snapshot_data = st.builds(
    SnapshotData,
    state=st.sampled_from(JobState),
    stage=st.sampled_from(Stage),
    suspended=st.booleans(),
    products_completed=counts,
    products_failed=counts,
    total_products=st.none() | counts,
    failures=failures,
    reason=st.none() | codes,
    message=st.none() | messages,
)
snapshots = st.builds(snapshot, ids, ids, seqs, times, st.integers(0, 100), snapshot_data)
frames = events.map(frame) | snapshots


@given(frames)
def test_a_frame_that_is_encoded_is_decoded_again(sent: Frame) -> None:
    assert decode(encode(sent)) == sent
    assert decode(encode(sent).decode()) == sent


@given(events)
def test_a_frame_tells_what_its_event_tells(event: Event) -> None:
    text = json.loads(encode(frame(event)), parse_constant=pytest.fail)
    assert list(text) == ["type", "job_id", "tenant_id", "seq", "time", "progress", "data"]
    assert (text["type"], text["job_id"], text["tenant_id"]) == (FRAME_OF[event.type].value, event.job_id, event.tenant_id)
    assert (text["seq"], text["progress"]) == (event.seq, event.progress)
    assert datetime.fromisoformat(text["time"]) == event.time
    assert text["time"].endswith("Z")
    assert text["data"] == json.loads(event.data.model_dump_json())
    assert frame(event).terminal == event.terminal


def test_every_event_has_a_frame_and_only_the_snapshot_has_no_event() -> None:
    assert set(FRAME_OF) == set(EventType)
    assert set(FrameType) - set(FRAME_OF.values()) == {FrameType.SNAPSHOT}
    assert set(FRAME_DATA) == set(FrameType)


@given(frames, st.dictionaries(st.text("xyz", min_size=1), json_values, max_size=3))
def test_fields_of_a_later_version_are_skipped(sent: Frame, extra: dict[str, Any]) -> None:
    text = json.loads(encode(sent))
    received = decode(json.dumps(text | extra | {"data": text["data"] | extra}))
    assert received is not None
    assert apply(ViewerState(), received) == apply(ViewerState(), sent)


STARTED = Frame(type=FrameType.STARTED, job_id="j", tenant_id="t", seq=1, time=datetime(2024, 2, 5, tzinfo=UTC), progress=0, data={})
NO_FRAMES: list[dict[str, Any]] = [
    {"type": "paused"},
    {"type": "pong"},
    {"seq": -1},
    {"seq": 2**53},
    {"progress": 101},
    {"time": "noon"},
    {"data": []},
    {"data": {"total_products": "many"}},
    {"type": "product_completed", "data": {}},
    {"type": "product_completed", "data": {"product_id": "brot"}},
    {"type": "snapshot", "data": {"state": "baking"}},
    {"type": "failed", "data": {"reason": None}},
    {"type": "completed", "data": {"successful": 1.5}},
]


@pytest.mark.parametrize("change", NO_FRAMES)
def test_a_text_that_is_no_frame_of_ours_is_none(change: dict[str, Any]) -> None:
    assert decode(json.dumps(json.loads(encode(STARTED)) | change)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '"ping"', "[" * 100_000, b"\xff", PONG, '{"type":["ping"]}'])
def test_any_other_text_is_none(text: str | bytes) -> None:
    assert decode(text) is None


@given(st.text() | st.binary())
def test_any_text_can_be_decoded_and_what_comes_out_can_be_applied(text: str | bytes) -> None:
    if (received := decode(text)) is not None:
        apply(ViewerState(), received)


@given(frames, st.data())
def test_any_damage_to_a_frame_leaves_none_or_one_that_can_be_applied(sent: Frame, data: st.DataObject) -> None:
    text = bytearray(encode(sent))
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    if (received := decode(bytes(text))) is not None:
        apply(ViewerState(), received)


def test_ping_and_pong_have_one_form() -> None:
    assert Pong().model_dump_json() == PONG
    Ping.model_validate_json('{"type":"ping"}')
    for text in ("[]", '{"type":["ping"]}', '{"type":"pong"}', '{"type":"ping","x":1}'):
        with pytest.raises(ValidationError):
            Ping.model_validate_json(text)
