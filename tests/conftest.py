"""What tests need beyond Python: left out where it is missing; the private servers are one of each in a test process, started by the first
test that asks.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chart.kit import helm
from tests.cluster import control_plane
from tests.monitoring import prometheus
from tests.node import parts

from levain.scaled import postgres as postgres_server
from levain.scaled import rabbitmq as rabbitmq_server
from levain.scaled.postgres import Postgres
from levain.scaled.rabbitmq import RabbitMQ


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test whose part is missing is left out; in CI, which sets the variable, it runs and fails."""
    for marker, missing, required in (
        ("servers", _missing_servers(), "LEVAIN_TEST_REQUIRE_SERVERS"),
        ("cluster", _missing_cluster(), "LEVAIN_TEST_REQUIRE_CLUSTER"),
        ("node", _missing_node(items), "LEVAIN_TEST_REQUIRE_NODE"),
        ("chart", None if helm() else "helm not found (make helm)", "LEVAIN_TEST_REQUIRE_HELM"),
    ):
        if missing is None or os.environ.get(required):
            continue
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=missing))


def _missing_servers() -> str | None:
    missing = [name for name, server in (("RabbitMQ", rabbitmq_server), ("PostgreSQL", postgres_server)) if server.found() is None]
    missing += ["Prometheus"] if prometheus.missing() else []
    return f"{' and '.join(missing)} not installed (apt-get install rabbitmq-server postgresql prometheus)" if missing else None


def _missing_cluster() -> str | None:
    return None if control_plane.binary() or os.environ.get(control_plane.EXISTING) else "run `make kube` first"


def _missing_node(items: list[pytest.Item]) -> str | None:
    """Looked for where a test needs it: it takes a moment."""
    needed = any(item.get_closest_marker("node") for item in items)
    return parts.missing() if needed and not os.environ.get(control_plane.EXISTING) else None


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """Not below pytest's own folder: PostgreSQL's user must be able to reach it."""
    folder = Path(tempfile.mkdtemp(prefix="levain-servers-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def rabbitmq(server_folder: Path) -> Iterator[RabbitMQ]:
    """A node that tests may fill, stop and kill; each leaves it running and without queues of its own."""
    server = RabbitMQ(server_folder / "rabbitmq")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(server_folder: Path) -> Iterator[Postgres]:
    """A server that tests may stop and kill; each leaves it running. Make a database of your own in it."""
    server = Postgres(server_folder / "postgres", durable=False)
    server.start()
    yield server
    server.stop()
