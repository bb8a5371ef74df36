"""Prometheus in the cluster scrapes every pod, and what it stores moves with what happens."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from tests.monitoring.promql import metrics
from tests.monitoring.shipped import expressions
from tests.node.kit import Site, run
from tests.node.probing import asked, start_prometheus
from tests.node.release import RunningRelease

pytestmark = [pytest.mark.node, pytest.mark.parametrize("release", ["SQLite"], indirect=True, scope="session")]

_SCRAPED_SECONDS = 30.0
# As the chart's PodMonitor has it.
_PATHS = ("metrics", "metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count")


@pytest.fixture
def prometheus(release: RunningRelease) -> Iterator[None]:
    start_prometheus(release.cluster, release.namespace)
    yield
    release.cluster.kubectl("delete", "namespace", "monitoring", seconds=60)


def _until(release: RunningRelease, query: str, wanted: set[str]) -> None:
    """Until the query answers for these pods."""
    deadline = time.monotonic() + _SCRAPED_SECONDS
    while (found := asked(release.cluster, query).keys()) != wanted:
        assert time.monotonic() < deadline, (query, found ^ wanted)
        time.sleep(0.5)


def test_every_pod_is_scraped_and_the_counters_of_sockets_and_events_move(release: RunningRelease, prometheus: None) -> None:
    _until(release, "up == 1", set(release.names()))

    async def scenario(site: Site) -> None:
        client = await site.upload([f"Brot {i} 0.1s" for i in range(8)])
        await client.start("scraped", "slow")
        watched = await client.watch("scraped", 60)
        assert watched.code == 1000
        await asyncio.sleep(3)

    run(release, scenario)
    (gateway, training) = (set(release.names(part)) for part in ("gateway", "training"))
    opened = asked(release.cluster, "sum by (pod) (levain_gateway_websockets_opened_total) > 0")
    assert opened.keys() <= gateway
    assert opened
    _until(release, "sum by (pod) (levain_training_events_consumed_total) >= 10", training)


def test_rabbitmq_4_has_every_metric_that_the_boards_and_alerts_ask_it_for(release: RunningRelease) -> None:
    asked_for = {name for expression in expressions() for name in metrics(expression.text) if name.startswith("rabbitmq_")}
    (pod,) = release.names("rabbitmq")
    # RabbitMQ answers nobody who takes JSON alone, as the tests' own calls do.
    proxy = f"/api/v1/namespaces/{release.namespace}/pods/{pod}:15692/proxy"
    told = "\n".join(release.kubectl("get", "--raw", f"{proxy}/{path}") for path in _PATHS)
    assert asked_for
    assert not asked_for - {line.split("{")[0].split(" ")[0] for line in told.splitlines()}
