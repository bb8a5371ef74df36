"""Each promise is checked on each of the sets of values."""

import pytest
from tests.chart.kit import SETS, Set


@pytest.fixture(params=SETS)
def values(request: pytest.FixtureRequest) -> Set:
    return SETS[request.param]
