"""What panels and alerts ask of the operator, asked of a Prometheus that watched a real one."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.cluster.kit import Kit, job
from tests.monitoring.prometheus import Prometheus, Window
from tests.monitoring.promql import metrics, problems
from tests.monitoring.shipped import expressions

from levain.scaled.member import Member

pytestmark = [pytest.mark.cluster, pytest.mark.servers, pytest.mark.timeout(120)]

_SCRAPES = 3


def _watching(member: Member, folder: Path) -> Prometheus:
    target = {"targets": [f"127.0.0.1:{member.metrics_port}"], "labels": {"namespace": "levain", "pod": member.name}}
    config = folder / "prometheus.yml"
    scraped = {"job_name": "operator", "static_configs": [target]}
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [scraped]}))
    return Prometheus(config, folder)


def test_every_expression_about_the_operator_has_a_value(on_cluster: Callable[..., None], tmp_path: Path) -> None:
    ours = [one for one in expressions() if all(name.startswith("levain_operator_") for name in metrics(one.text))]
    assert len(ours) > 8

    async def scenario(kit: Kit) -> None:
        await kit.upload([f"Brot {i} 0.2s" for i in range(24)])
        async with kit.operator() as member:
            prometheus = _watching(member, tmp_path)
            await asyncio.to_thread(prometheus.start)
            try:
                await asyncio.to_thread(prometheus.until_up, {member.name})
                start = time.time()
                await kit.make(job("bakery"))
                await kit.ended("bakery")
                await asyncio.sleep(_SCRAPES)
                window = Window(start, time.time())
                found = {one.where: list(problems(one.text, prometheus, window)) for one in ours}
                assert {where: wrong for where, wrong in found.items() if wrong} == {}
                assert max(prometheus.values("sum(rate(levain_operator_reconciles_total[10s]))", window)) > 0
            finally:
                await asyncio.to_thread(prometheus.stop)

    on_cluster(scenario)
