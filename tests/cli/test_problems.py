"""What whoever runs the stack needs to find a failed request in its logs."""

import json

import pytest

from levain.problems import Passing, judge

PROBLEM = json.dumps(
    {
        "type": "urn:levain:problem:internal_error",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "it failed",
        "code": "internal_error",
    }
).encode()


@pytest.mark.parametrize(
    ("request_id", "says"),
    [("r-1.a", "http://x answered 500: it failed (request r-1.a)"), ("a\x1b[31mb", "http://x answered 500: it failed")],
)
def test_an_answer_that_is_the_services_fault_names_its_request_unless_that_would_harm_a_terminal(request_id: str, says: str) -> None:
    with pytest.raises(Passing) as passing:
        judge(500, {"X-Request-ID": request_id}, PROBLEM, "http://x")
    assert str(passing.value) == says
