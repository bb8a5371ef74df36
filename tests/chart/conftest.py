"""Without Helm the tests of the chart are left out; in CI, which sets the variable, they run and fail."""

import os
from pathlib import Path

import pytest
from tests.chart.kit import SETS, Set, helm


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if helm() or os.environ.get("LEVAIN_TEST_REQUIRE_HELM"):
        return
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.skip(reason="helm not found (make helm)"))


@pytest.fixture(params=SETS)
def values(request: pytest.FixtureRequest) -> Set:
    """Each of the sets."""
    return SETS[request.param]
