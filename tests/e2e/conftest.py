"""Children know the test trainers by the environment that they inherit."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.processes import runner, shared_stack
from tests.e2e.whole import OnStack, run

from levain_training.forecasting.registry import EXTRA_TRAINERS
from levain_training.forecasting.testing import ALL_TRAINERS


@pytest.fixture(autouse=True)
def _test_trainers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EXTRA_TRAINERS, ALL_TRAINERS)


@pytest.fixture(params=["embedded", pytest.param("processes", marks=pytest.mark.servers)])
def on_each_stack(request: pytest.FixtureRequest, tmp_path: Path) -> OnStack:
    """One suite, two stacks: in one process, and as separate ones on RabbitMQ and PostgreSQL."""
    if request.param == "embedded":
        return lambda scenario: run(scenario, tmp_path)
    processes: OnStack = request.getfixturevalue("on_processes")
    return processes


@pytest.fixture(scope="session")
def on_processes(request: pytest.FixtureRequest, server_folder: Path) -> Iterator[OnStack]:
    """One stack for the whole session."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(EXTRA_TRAINERS, ALL_TRAINERS)
        servers = request.getfixturevalue("rabbitmq"), request.getfixturevalue("postgres")
        slots = {"worker": {"LEVAIN_WORKER_SLOTS": "2"}}
        with shared_stack(*servers, server_folder / "e2e", environment=slots) as stack:
            yield runner(stack)
