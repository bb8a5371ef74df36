"""The private servers that tests marked `servers` use: one of each in a test process, started by the first test that asks."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from levain.scaled import postgres as postgres_server
from levain.scaled import rabbitmq as rabbitmq_server
from levain.scaled.postgres import Postgres
from levain.scaled.rabbitmq import RabbitMQ

# In CI a test that is left out for a missing part is a failure.
REQUIRED = "LEVAIN_TEST_REQUIRE_SERVERS"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [name for name, server in (("RabbitMQ", rabbitmq_server), ("PostgreSQL", postgres_server)) if server.found() is None]
    if not missing or os.environ.get(REQUIRED):
        return
    left_out = pytest.mark.skip(reason=f"{' and '.join(missing)} not installed (apt-get install rabbitmq-server postgresql)")
    for item in items:
        if item.get_closest_marker("servers"):
            item.add_marker(left_out)


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
