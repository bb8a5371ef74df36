"""A task as text is the task: spliced from texts it is what is encoded whole, and its outline is what a worker asks of it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from tests.contracts.strategies import chunks, tasks

from levain_contracts.task_text import outline, splice, splice_results
from levain_contracts.tasks import ResultChunk, TrainingTask, UnreadableWork, encode


@settings(max_examples=50)
@given(tasks)
def test_a_task_spliced_from_texts_is_the_task_encoded_whole(task: TrainingTask) -> None:
    head = task.model_copy(update={"calendars": [], "series": []})
    spliced = splice(head, [c.model_dump_json() for c in task.calendars], [s.model_dump_json() for s in task.series])
    assert spliced == encode(task)


@settings(max_examples=50)
@given(tasks)
def test_the_outline_is_that_of_the_task(task: TrainingTask) -> None:
    found = outline(encode(task))
    assert (found.tenant_id, found.job_id, found.batch, found.alone) == (task.tenant_id, task.job_id, task.batch, task.alone)
    assert (found.model, found.product_ids) == (task.model, [s.product_id for s in task.series])


@settings(max_examples=50)
@given(chunks)
def test_results_spliced_from_texts_are_the_chunk_encoded_whole(chunk: ResultChunk) -> None:
    ids = {"tenant_id": chunk.tenant_id, "job_id": chunk.job_id, "batch": chunk.batch}
    task = outline(json.dumps(ids | {"model": "ets", "series": [{"product_id": "p"}]}).encode())
    assert splice_results(task, [r.model_dump_json().encode() for r in chunk.results]) == encode(chunk)


@pytest.mark.parametrize(
    "change", [{"tenant_id": "Not An Id"}, {"batch": 0}, {"model": None}, {"series": []}, {"series": [{"product_id": ""}]}]
)
def test_what_has_no_outline_is_refused(change: dict[str, Any]) -> None:
    known = {"tenant_id": "anna", "job_id": "job", "batch": 1, "model": "ets", "series": [{"product_id": "brot", "later": 1}]}
    assert outline(json.dumps(known).encode()).product_ids == ["brot"]
    with pytest.raises(UnreadableWork):
        outline(json.dumps(known | change).encode())
