"""Children know the test trainers by the environment that they inherit."""

import pytest

from levain_training.forecasting.registry import EXTRA_TRAINERS
from levain_training.forecasting.testing import ALL_TRAINERS


@pytest.fixture(autouse=True)
def _test_trainers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EXTRA_TRAINERS, ALL_TRAINERS)
