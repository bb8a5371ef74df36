from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from levain_contracts.reading import ReadingOptions
from levain_contracts.resources import DatasetRef, JobSpec, Page, Problem, ProductPage

SNAKE = {"horizon_days": 7, "max_failed_products": 2, "active_deadline_seconds": 60}
CAMEL = {"horizonDays": 7, "maxFailedProducts": 2, "activeDeadlineSeconds": 60}
DATASET = {"dataset": {"name": "sales"}}


def test_a_spec_may_be_written_in_snake_and_in_camel_case() -> None:
    assert JobSpec.model_validate(DATASET | SNAKE) == JobSpec.model_validate(DATASET | CAMEL)
    assert JobSpec.model_validate(DATASET | {"horizonDays": 7, "max_failed_products": 2}).max_failed_products == 2


def test_a_field_written_both_ways_is_refused() -> None:
    with pytest.raises(ValidationError, match="horizonDays"):
        JobSpec.model_validate(DATASET | {"horizonDays": 7, "horizon_days": 7})


def test_a_spec_with_its_dataset_alone_has_the_defaults() -> None:
    spec = JobSpec.model_validate(DATASET)
    assert (spec.horizon_days, spec.model, spec.products, spec.reading) == (14, "auto", None, ReadingOptions())


@given(
    st.integers(1, 365), st.none() | st.integers(0, 1000), st.none() | st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=5)
)
def test_a_spec_survives_its_own_json(horizon: int, max_failed: int | None, products: list[str] | None) -> None:
    spec = JobSpec.model_validate(DATASET | {"horizonDays": horizon, "maxFailedProducts": max_failed, "products": products})
    assert JobSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("given_", [{}, {"name": "a", "uri": "https://x/y.csv"}, {"name": None, "uri": None}])
def test_a_dataset_is_named_in_exactly_one_way(given_: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="exactly one of name and uri"):
        DatasetRef.model_validate(given_)


BAD_SPECS: list[tuple[str, dict[str, Any]]] = [
    ("dataset", {}),
    ("dataset", {"dataset": "sales"}),
    ("dataset.name", {"dataset": {"name": "Sales"}}),
    ("dataset.name", {"dataset": {"name": "a/b"}}),
    ("dataset.uri", {"dataset": {"uri": ""}}),
    ("dataset.path", {"dataset": {"path": "x"}}),
    ("horizon_days", DATASET | {"horizon_days": 0}),
    ("horizon_days", DATASET | {"horizonDays": 366}),
    ("horizon_days", DATASET | {"horizon_days": 1.5}),
    ("horizon_days", DATASET | {"horizon_days": float("nan")}),
    ("max_failed_products", DATASET | {"max_failed_products": -1}),
    ("active_deadline_seconds", DATASET | {"activeDeadlineSeconds": 0}),
    ("products", DATASET | {"products": []}),
    ("products.0", DATASET | {"products": [""]}),
    ("products.0", DATASET | {"products": ["x" * 201]}),
    ("model", DATASET | {"model": "no such/model"}),
    ("image", DATASET | {"image": "evil"}),
    ("reading.decimal", DATASET | {"reading": {"decimal": ";"}}),
]


@pytest.mark.parametrize(("where", "spec"), BAD_SPECS)
def test_a_bad_spec_is_refused_by_the_name_of_its_field(where: str, spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        JobSpec.model_validate(spec)
    camel = "".join(w.capitalize() if i else w for i, w in enumerate(where.split("_")))
    assert ".".join(map(str, refused.value.errors()[0]["loc"])) in (where, camel)


def test_pages_and_problems_have_their_lists_and_marks() -> None:
    assert Page[str](items=["a"], next="a").model_dump() == {"items": ["a"], "next": "a"}
    assert ProductPage(items=[], seq=7).model_dump() == {"items": [], "next": None, "seq": 7}
    problem = Problem(type="urn:levain:problem:x", title="X", status=404, detail="no such job", code="x")
    assert problem.errors == []
