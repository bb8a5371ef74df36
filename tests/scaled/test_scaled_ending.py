"""How `levain up --scale` ends: in order when it is asked to, and with all that it started when it is killed."""

import signal
from pathlib import Path

import pytest
from tests.cli.command import wait_until_no_child_is_left
from tests.e2e.processes import place_of_its_own
from tests.scaled.command import ENDS_WITHIN_SECONDS, scaled

from levain.scaled.postgres import Postgres
from levain.scaled.rabbitmq import RabbitMQ

pytestmark = pytest.mark.servers


def test_sigterm_ends_gateways_then_workers_then_replicas_and_leaves_nothing(
    rabbitmq: RabbitMQ, postgres: Postgres, tmp_path: Path
) -> None:
    """On servers that run already, and go on."""
    with place_of_its_own(rabbitmq, postgres) as (broker_url, database_url):
        database_url = database_url.replace("+psycopg", "")
        with scaled(tmp_path, "--broker-url", broker_url, "--database-url", database_url) as running:
            assert list(running.pids) == ["gateway-1", "gateway-2", "replica-1", "replica-2", "worker-1", "worker-2"]
            children = running.children
            running.process.terminate()
            assert running.process.wait(ENDS_WITHIN_SECONDS) == 128 + signal.SIGTERM
            wait_until_no_child_is_left(children, 0.5)
            assert running.rest() == ["stopping 2 gateways", "stopping 2 workers", "stopping 2 replicas", "all have ended"]
        assert rabbitmq.program.running and postgres.program.running
    assert (tmp_path / "up.err").read_text() == ""
    assert not (tmp_path / "data" / "endpoint.json").exists()


def test_a_kill_of_the_command_ends_every_process_that_it_started(server_folder: Path) -> None:
    folder = server_folder / "killed"
    folder.mkdir()
    with scaled(folder) as running:
        children = running.children
        assert {"epmd", "beam.smp", "postgres"} <= {child.name() for child in children}
        running.process.kill()
        wait_until_no_child_is_left(children, ENDS_WITHIN_SECONDS)
