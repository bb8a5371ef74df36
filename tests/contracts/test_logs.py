"""What a line belongs to: bound around the work, in each line of it and in no other."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levain_contracts.ids import is_request_id, request_id_of
from levain_logs import JsonFormatter, bound, bound_field

Lines = io.StringIO


@pytest.fixture
def told() -> Iterator[Lines]:
    stream = Lines()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("tests.logs")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield stream
    logger.removeHandler(handler)


def lines(told: Lines) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.getvalue().splitlines()]


def test_fields_stand_in_the_lines_within_and_what_is_said_at_the_line_wins(told: Lines) -> None:
    log = logging.getLogger("tests.logs")
    with bound(job_id="one", request_id="r1"):
        with bound(job_id="two", tenant_id=None):
            log.info("inner")
        log.info("outer", extra={"request_id": "r2"})
        assert bound_field("job_id") == "one"
    log.info("after")
    shown = [(line["message"], line.get("job_id"), line.get("request_id"), "tenant_id" in line) for line in lines(told)]
    assert shown == [("inner", "two", "r1", False), ("outer", "one", "r2", False), ("after", None, None, False)]
    assert bound_field("job_id") is None


def test_tasks_that_run_at_once_have_fields_of_their_own_and_inherit_those_of_their_beginning(told: Lines) -> None:
    log = logging.getLogger("tests.logs")

    async def work(name: str) -> None:
        with bound(job_id=name):
            await asyncio.sleep(0)
            log.info(name)

    async def all_of_them() -> None:
        with bound(request_id="r1"):
            await asyncio.gather(*(work(f"job-{i}") for i in range(3)))

    asyncio.run(all_of_them())
    assert sorted((line["message"], line["job_id"], line["request_id"]) for line in lines(told)) == [
        (f"job-{i}", f"job-{i}", "r1") for i in range(3)
    ]


def test_a_token_that_is_bound_is_taken_out_too(told: Lines) -> None:
    with bound(request_id="eyJhbGciOiJIUzI1NiJ9.e30.c2ln"):
        logging.getLogger("tests.logs").info("asked")
    assert lines(told)[0]["request_id"] == "[token]"


@given(st.lists(st.binary(max_size=80), max_size=2))
def test_a_request_has_one_harmless_id_whatever_was_given(given_ids: list[bytes]) -> None:
    found = request_id_of(given_ids)
    assert is_request_id(found)
    text = given_ids[0].decode("latin-1") if len(given_ids) == 1 else ""
    assert (found == text) == is_request_id(text)
