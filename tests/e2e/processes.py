"""The same whole as separate processes: two gateways, two replicas and two workers, on RabbitMQ and PostgreSQL."""

import asyncio
import itertools
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.whole import LIMIT_SECONDS, OnStack, Scenario, Whole

from levain.scaled.member import Member
from levain.scaled.postgres import Postgres
from levain.scaled.rabbitmq import RabbitMQ
from levain.scaled.stack import ScaledStack
from levain_contracts.claims import Role

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
_numbers = itertools.count(1)


def next_number() -> int:
    return next(_numbers)


class Processes(Whole):
    """Tenants of each scenario have names of their own: the stack is shared."""

    def __init__(self, stack: ScaledStack, session: aiohttp.ClientSession, number: int) -> None:
        self.stack, self.session, self._number = stack, session, number
        self._before = scraped(stack.members)

    @property
    def ports(self) -> list[int]:
        return [gateway.port for gateway in self.stack.gateways if gateway.port is not None]

    def token(self, tenant: str, role: Role = Role.TRAINER, *, hours: float = 24) -> str:
        return self.stack.token(tenant, role, hours=hours)

    def tenant(self, name: str) -> str:
        return f"{name}-{self._number}"

    def _sum(self, metric: str, labels: dict[str, str]) -> float:
        key = metric, frozenset(labels.items())
        return scraped(self.stack.members)[key] - self._before.get(key, 0.0)


def scraped(members: list[Member]) -> Samples:
    """Each sample's sum over all of them."""
    sums: Samples = {}
    for member in members:
        with urllib.request.urlopen(f"http://127.0.0.1:{member.metrics_port}/metrics", timeout=5) as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                for sample in family.samples:
                    key = sample.name, frozenset(sample.labels.items())
                    sums[key] = sums.get(key, 0.0) + sample.value
    return sums


@contextmanager
def place_of_its_own(rabbitmq: RabbitMQ, postgres: Postgres) -> Iterator[tuple[str, str]]:
    """The URLs of a virtual host and a database that nobody else uses."""
    name = f"stack_{next_number()}"
    rabbitmq.control("add_vhost", name)
    rabbitmq.control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
    postgres.query(f"CREATE DATABASE {name}")
    try:
        yield f"{rabbitmq.url}{name}", postgres.url(name)
    finally:
        postgres.query(f"DROP DATABASE {name} WITH (FORCE)")
        rabbitmq.control("delete_vhost", name)


@contextmanager
def shared_stack(rabbitmq: RabbitMQ, postgres: Postgres, folder: Path, **more: Any) -> Iterator[ScaledStack]:
    """For many scenarios, each in a loop of its own: nothing of it belongs to one, as nobody supervises its processes."""
    with place_of_its_own(rabbitmq, postgres) as (broker_url, database_url):
        options: dict[str, Any] = {"workers": 2, "broker_url": broker_url, "database_url": database_url, "supervise": False} | more
        stack = ScaledStack(folder, **options)
        asyncio.run(stack.start())
        try:
            yield stack
        finally:
            asyncio.run(stack.stop())


def runner(stack: ScaledStack) -> OnStack:
    def run(scenario: Scenario) -> None:
        async def main() -> None:
            async with asyncio.timeout(LIMIT_SECONDS), aiohttp.ClientSession() as session:
                await scenario(Processes(stack, session, next_number()))

        uvloop.run(main())

    return run
