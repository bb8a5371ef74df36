import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.contracts.strategies import events, json_values

from levain_contracts.events import (
    DATA_OF,
    MAX_FAILURES,
    TERMINAL,
    CompletedData,
    Event,
    EventType,
    ProductData,
    ProductFailure,
    StartedData,
    UnreadableEvent,
    decode,
    encode,
    event_id,
)

NOW = datetime(2024, 2, 5, 12, tzinfo=UTC)
STARTED = Event("corner-bakery", "job-1", 1, NOW, 0, StartedData(total_products=7))
PRODUCT: dict[str, Any] = {
    "product_id": "brot-1",
    "product": "Brot",
    "status": "trained",
    "products_completed": 1,
    "products_failed": 0,
    "total_products": 7,
}
COMPLETED: dict[str, Any] = {"successful": 1, "failed": 0, "total_products": 1, "duration_seconds": 1.0}


def body(**changes: Any) -> bytes:
    """The body of STARTED with fields changed; a change to None takes the field away."""
    envelope = json.loads(encode(STARTED)) | changes
    return json.dumps({k: v for k, v in envelope.items() if v is not None}).encode()


@given(events)
def test_what_is_encoded_is_decoded_again(event: Event) -> None:
    decoded = decode(encode(event))
    assert decoded.event == event
    assert not decoded.unknown_fields


@given(events)
def test_a_body_is_a_cloud_event_of_its_job(event: Event) -> None:
    envelope = json.loads(encode(event), parse_constant=pytest.fail)
    assert envelope["specversion"] == "1.0"
    assert envelope["id"] == event_id(event.job_id, event.seq)
    assert (envelope["subject"], envelope["tenantid"], envelope["type"]) == (event.job_id, event.tenant_id, event.type.value)
    assert envelope["sequence"] == f"{event.seq:016d}"


@given(st.lists(st.integers(0, 2**53 - 1), min_size=2, max_size=5))
def test_sequences_sort_as_text_as_they_do_as_numbers(seqs: list[int]) -> None:
    texts = [json.loads(encode(STARTED._replace(seq=s)))["sequence"] for s in seqs]
    assert [int(t) for t in sorted(texts)] == sorted(seqs)


def test_each_type_has_its_data() -> None:
    assert set(DATA_OF) == set(EventType)
    assert {EventType.COMPLETED, EventType.FAILED} == TERMINAL


BAD_EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("tenantid", {"tenant_id": "Corner Bakery"}),
    ("tenantid", {"tenant_id": "a/b"}),
    ("subject", {"job_id": ""}),
    ("sequence", {"seq": -1}),
    ("sequence", {"seq": 2**53}),
    ("sequence", {"seq": 10**17}),
    ("sequence", {"seq": 1.5}),
    ("progress", {"progress": 101}),
    ("progress", {"progress": -1}),
    ("progress", {"progress": 20.0}),
    ("progress", {"progress": math.nan}),
    ("time", {"time": NOW.replace(tzinfo=None)}),
    ("time", {"time": "2024-02-05"}),
]


@pytest.mark.parametrize(("field", "change"), BAD_EVENTS)
def test_a_producer_can_not_encode_an_event_that_is_out_of_bounds(field: str, change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        encode(STARTED._replace(**change))
    assert refused.value.errors()[0]["loc"] == (field,)


def failure(n: int) -> ProductFailure:
    return ProductFailure(product_id=f"p-{n}", product="P", seq=n, reason="too_short")


BAD_DATA: list[tuple[str, dict[str, Any]]] = [
    ("product_id", {"product_id": "Brot 1"}),
    ("product", {"product": ""}),
    ("product", {"product": "x" * 201}),
    ("product", {"product": None}),
    ("status", {"status": "pending"}),
    ("reason", {"reason": "Too Short"}),
    ("message", {"message": "x" * 501}),
    ("products_completed", {"products_completed": -1}),
    ("products_completed", {"products_completed": 1_000_001}),
    ("products_completed", {"products_completed": True}),
    ("products_completed", {"products_completed": "1"}),
    ("products_failed", {"products_failed": 0.5}),
    ("colour", {"colour": "brown"}),
]


@pytest.mark.parametrize(("field", "change"), BAD_DATA)
def test_a_producer_can_not_make_data_that_the_contract_does_not_name(field: str, change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        ProductData(**PRODUCT | change)
    assert refused.value.errors()[0]["loc"] == (field,)


@pytest.mark.parametrize("duration", [math.nan, math.inf, -math.inf, -1.0, 1e10])
def test_a_producer_can_not_write_a_duration_that_json_does_not_hold(duration: float) -> None:
    with pytest.raises(ValidationError):
        CompletedData(**COMPLETED | {"duration_seconds": duration})


def test_an_event_names_no_more_than_the_first_failures() -> None:
    CompletedData(**COMPLETED, failures=tuple(map(failure, range(MAX_FAILURES))))
    with pytest.raises(ValidationError):
        CompletedData(**COMPLETED, failures=tuple(map(failure, range(MAX_FAILURES + 1))))


def test_data_can_not_be_changed_once_it_is_made() -> None:
    with pytest.raises(ValidationError):
        setattr(ProductData(**PRODUCT), "products_completed", 2)  # noqa: B010


@pytest.mark.parametrize("kind", ["training.paused", "training.product", "training.started ", "", "com.example.other"])
def test_a_type_of_a_later_version_is_skipped(kind: str) -> None:
    assert decode(body(type=kind, data={"anything": ["at all"]})) == (None, False)


@given(st.dictionaries(st.text("xyz", min_size=1), json_values, max_size=3), st.dictionaries(st.text("xyz", min_size=1), json_values))
def test_fields_of_a_later_version_are_skipped_and_said(outer: dict[str, Any], inner: dict[str, Any]) -> None:
    decoded = decode(body(**{k: v for k, v in outer.items() if v is not None}, data={"total_products": 7} | inner))
    assert decoded.event == STARTED
    assert decoded.unknown_fields == bool(inner or any(v is not None for v in outer.values()))


UNREADABLE: list[tuple[str, bytes]] = [
    ("body", b""),
    ("body", b"{"),
    ("body", b"[]"),
    ("body", b"null"),
    ("body", b"7"),
    ("body", b"\xff\xfe"),
    ("body", b"[" * 100_000),
    ("body", b'{"type":"training.started","a":' + b"[" * 100_000),
    ("type", b"{}"),
    ("type", body(type=7)),
    ("data", body(data="x")),
    ("data", body(data=[1])),
    ("data", body(data=None)),
    ("data.total_products", body(data={"total_products": -1})),
    ("data.total_products", body(data={"total_products": "7"})),
    ("data.total_products", body(data={"total_products": 10**400, "unknown": 1})),
    ("subject", body(subject=None)),
    ("subject", body(subject="a/b")),
    ("tenantid", body(tenantid="")),
    ("specversion", body(specversion="0.3")),
    ("sequence", body(sequence=7)),
    ("sequence", body(sequence="-1")),
    ("sequence", body(sequence="1\n")),
    ("sequence", body(sequence="9999999999999999")),
    ("time", body(time="yesterday")),
    ("time", body(time="2024-02-05T12:00:00")),
    ("time", body(time="0001-01-01T00:00:00+23:00")),
    ("time", body(time="9999-12-31T23:59:59-23:00")),
    ("progress", body(progress=101)),
    ("progress", body(progress=1.5)),
    ("progress", body(progress="1")),
]


@pytest.mark.parametrize(("where", "text"), UNREADABLE)
def test_a_body_that_can_not_be_read_says_where_in_one_line(where: str, text: bytes) -> None:
    with pytest.raises(UnreadableEvent) as unreadable:
        decode(text)
    assert str(unreadable.value).startswith(f"{where}: ")
    assert "\n" not in str(unreadable.value)


def readable_or_not(text: bytes) -> None:
    try:
        decode(text)
    except UnreadableEvent:
        pass


@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_unreadable(text: bytes) -> None:
    readable_or_not(text)


@given(
    st.sampled_from(EventType), json_values, st.sampled_from(["type", "time", "subject", "sequence", "tenantid", "progress", "data", "id"])
)
def test_any_json_in_any_field_is_an_event_or_unreadable(kind: EventType, value: Any, field: str) -> None:
    readable_or_not(body(type=kind.value, **{field: value}) if field != "type" else body(type=value))


@given(events, st.data())
def test_any_damage_to_a_body_is_an_event_or_unreadable(event: Event, data: st.DataObject) -> None:
    text = bytearray(encode(event))
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    readable_or_not(bytes(text))
