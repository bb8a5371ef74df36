"""One stack a module, with `REPLICAS` of it as more settings: replicas die at a write that one names, and look for what is lost soon."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.e2e.processes import place_of_its_own
from tests.processes import dying, kit
from tests.processes.kit import SOON, Scenario
from tests.processes.links import Link, links

from levain.scaled.postgres import Postgres
from levain.scaled.rabbitmq import RabbitMQ
from levain.scaled.stack import ScaledStack
from levain_training.forecasting.registry import EXTRA_TRAINERS
from levain_training.forecasting.testing import ALL_TRAINERS


class Running(NamedTuple):
    stack: ScaledStack
    broker_url: str  # past the proxies
    database_url: str
    dies_at: Path  # what `dying` reads
    broker: Link
    broker_of_one: Link  # of the first replica alone, which is a part of the whole
    database: Link

    def run(self, scenario: Scenario) -> None:
        kit.run(self.stack, self.broker_url, scenario)


@pytest.fixture(scope="module")
def running(rabbitmq: RabbitMQ, postgres: Postgres, server_folder: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    folder = server_folder / request.module.__name__.rpartition(".")[2]
    dies_at = folder / "dies_at"
    with (
        pytest.MonkeyPatch.context() as environment,
        place_of_its_own(rabbitmq, postgres) as (broker_url, database_url),
        links(rabbitmq.port, rabbitmq.port, postgres.port) as (one, others, database),
    ):
        environment.setenv(EXTRA_TRAINERS, ALL_TRAINERS)
        environment.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        stack = ScaledStack(
            folder,
            workers=2,
            broker_url=lambda name: broker_url.replace(f":{rabbitmq.port}/", f":{(one if name == 'replica-1' else others).port}/"),
            database_url=database_url.replace(f":{postgres.port}/", f":{database.port}/"),
            environment={
                "replica": SOON | getattr(request.module, "REPLICAS", {}) | {dying.CONTROL: str(dies_at)},
                "worker": {"LEVAIN_BROKER_WATCHDOG_SECONDS": "2"},
                "gateway": {"LEVAIN_DRAIN_SECONDS": "0.5"},
            },
            commands={"replica": ("-m", "tests.processes.dying", "serve")},
            supervise=False,
        )
        asyncio.run(stack.start())
        yield Running(stack, broker_url, database_url, dies_at, one.with_(others), one, database)
        asyncio.run(stack.stop())
