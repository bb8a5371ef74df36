import json
import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.contracts.strategies import chunks, json_values, tasks

from levain_contracts.tasks import (
    MAX_BATCH_PRODUCTS,
    FailedProduct,
    Forecast,
    ResultChunk,
    Scores,
    Series,
    TrainedProduct,
    TrainingTask,
    UnreadableWork,
    decode_results,
    decode_task,
    encode,
)

DAY = date(2024, 2, 5)
SERIES = Series(product_id="brot", product="Brot", start=DAY, values=[20.0, None, 22.0])
TASK: dict[str, Any] = {
    "tenant_id": "corner-bakery",
    "job_id": "job-1",
    "batch": 1,
    "model": "ets",
    "horizon_days": 14,
    "dataset_sha256": "0" * 64,
    "forecast_start": DAY,
    "series": [SERIES],
}
FORECAST = Forecast(start=DAY, mean=[1.0, 2.0], lo80=[0.0, 1.0], hi80=[2.0, 3.0])
TRAINED: dict[str, Any] = {"product_id": "brot", "forecast": FORECAST, "scores": Scores(), "model": {}, "train_seconds": 0.1}


@settings(max_examples=50)
@given(tasks)
def test_a_task_that_is_encoded_is_decoded_again(task: TrainingTask) -> None:
    assert decode_task(encode(task)) == task


@settings(max_examples=50)
@given(chunks)
def test_results_that_are_encoded_are_decoded_again(chunk: ResultChunk) -> None:
    text = encode(chunk)
    assert decode_results(text) == chunk
    json.loads(text, parse_constant=pytest.fail)


@given(st.dictionaries(st.text("xyz", min_size=1), json_values, max_size=3))
def test_fields_of_a_later_version_are_skipped(extra: dict[str, Any]) -> None:
    task = TrainingTask(**TASK)
    text = json.loads(encode(task))
    text["series"][0] |= extra
    assert decode_task(json.dumps(text | extra).encode()) == task


BAD_TASKS: list[dict[str, Any]] = [
    {"tenant_id": "a/b"},
    {"batch": 0},
    {"batch": "1"},
    {"horizon_days": 366},
    {"dataset_sha256": "0" * 63},
    {"dataset_sha256": "G" * 64},
    {"forecast_start": "2024-02-05"},
    {"series": []},
    {"series": [SERIES] * (MAX_BATCH_PRODUCTS + 1)},
    {"model": "../x"},
    {"command": "rm"},
]


@pytest.mark.parametrize("change", BAD_TASKS)
def test_a_producer_can_not_make_a_task_that_is_out_of_bounds(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrainingTask(**TASK | change)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e13, "1", True])
def test_units_are_finite_numbers(value: Any) -> None:
    with pytest.raises(ValidationError):
        Series(product_id="brot", product="Brot", start=DAY, values=[value])
    with pytest.raises(ValidationError):
        Forecast(start=DAY, mean=[value], lo80=[0.0], hi80=[0.0])


@pytest.mark.parametrize("change", [{"mean": [1.0]}, {"lo80": [1.0]}, {"hi80": [1.0] * 3}, {"mean": [], "lo80": [], "hi80": []}])
def test_a_forecast_has_one_entry_a_day_in_each_list(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Forecast(**FORECAST.model_dump() | change)


def test_a_forecast_has_all_quartiles_or_none_and_old_ones_stay_readable() -> None:
    quartiles = {"q25": [0.5, 1.5], "q50": [1.0, 2.0], "q75": [1.5, 2.5]}
    old = '{"start":"2024-02-05","mean":[1.0],"lo80":[0.0],"hi80":[2.0]}'
    assert Forecast.model_validate_json(old).q50 is None
    assert Forecast(**FORECAST.model_dump() | quartiles).q75 == [1.5, 2.5]
    for change in ({"q25": None}, {"q50": [1.0]}):
        with pytest.raises(ValidationError):
            Forecast(**FORECAST.model_dump() | quartiles | change)


@pytest.mark.parametrize("model", [{"a": math.nan}, {"a": [math.inf]}, {"a": {"b": object()}}, {1: 2}])
def test_a_model_is_json(model: Any) -> None:
    with pytest.raises(ValidationError):
        TrainedProduct(**TRAINED | {"model": model})


@pytest.mark.parametrize("score", [math.nan, math.inf, 1e7])
def test_a_score_that_has_no_value_can_not_be_a_number(score: float) -> None:
    with pytest.raises(ValidationError):
        Scores(mase=score)
    assert Scores(undefined={"mase": "naive_error_is_zero"}).mase is None


UNREADABLE = [
    b"",
    b"{",
    b"[]",
    b"\xff",
    b"[" * 100_000,
    b"{}",
    encode(ResultChunk(tenant_id="a", job_id="b", batch=1, results=[TrainedProduct(**TRAINED)])).replace(b"trained", b"pending"),
    encode(ResultChunk(tenant_id="a", job_id="b", batch=1, results=[FailedProduct(product_id="b", reason="x", message="")])).replace(
        b'"results":[', b'"results":[{"kind":"failed"},'
    ),
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_work_that_can_not_be_read_says_where_in_one_line(text: bytes) -> None:
    for read in (decode_task, decode_results):
        with pytest.raises(UnreadableWork) as unreadable:
            read(text)
        assert "\n" not in str(unreadable.value)


def readable_or_not(text: bytes) -> None:
    for read in (decode_task, decode_results):
        try:
            read(text)
        except UnreadableWork:
            pass


@given(st.binary(max_size=300))
def test_any_bytes_are_work_or_unreadable(text: bytes) -> None:
    readable_or_not(text)


@settings(max_examples=50)
@given(tasks | chunks, st.data())
def test_any_damage_to_work_leaves_it_readable_or_not(message: TrainingTask | ResultChunk, data: st.DataObject) -> None:
    text = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    readable_or_not(bytes(text))
