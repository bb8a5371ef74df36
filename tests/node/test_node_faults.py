"""Pods die or are replaced in the middle of jobs, on SQLite with one replica and on PostgreSQL with several."""

import asyncio

import pytest
from tests.cluster import kit as resources
from tests.node.kit import Site, Watcher, grown, run, sample
from tests.node.release import COMPONENTS, RunningRelease
from tests.processes.kit import Witness, all_trained, names

pytestmark = pytest.mark.node

VIEWERS = 200


def test_killed_pods_of_every_kind_cost_no_product_and_no_progress(release: RunningRelease) -> None:
    products = names(120, 1)

    async def scenario(site: Site) -> None:
        await site.upload(products)
        job_id = await site.apply(resources.job("killed"))
        client = site.client(site.namespace)
        await site.until_stored(job_id)
        async with site.viewer_of(Witness, job_id, site.namespace) as witness:
            watcher = Watcher(site, "killed")
            for component in ("worker", "training", "gateway", "rabbitmq", "operator"):
                await grown(lambda: _completed(site, "killed"), 3)
                pod = release.leader() if component == "operator" else release.names(component)[0]
                print(f"{pod} dies with {await _completed(site, 'killed')} products done")
                await asyncio.to_thread(release.kill, pod)
            resource = await site.ended("killed", 200)
            await site.accounted(job_id, all_trained(products), [witness], codes=False)
            percents = await watcher.seen()
        assert resources.state(resource) == "Completed"
        assert percents == sorted(percents)
        job = await client.job(job_id)
        assert job["products_completed"] == len(products)

    run(release, scenario)
    for component in COMPONENTS:
        release.until_ready(component)


def test_a_rolling_restart_of_everything_under_two_hundred_viewers_cuts_nobody_off(release: RunningRelease) -> None:
    # As long as all restarts take, and again as long.
    products = names(120 * len(release.names("worker")), 1)

    async def scenario(site: Site) -> None:
        client = await site.upload(products)
        await client.start("rolled", "slow")

        async def restart() -> None:
            await site.all_watch(VIEWERS + 1)
            await asyncio.to_thread(release.restart_all)
            assert (await client.job("rolled"))["state"] == "training"

        codes = await site.under_viewers("rolled", products, VIEWERS, restart)
        print(dict(codes))
        assert codes[1006] == 0
        assert codes[1000] == VIEWERS
        assert codes[1012] >= VIEWERS

    run(release, scenario)


@pytest.mark.parametrize("release", ["PostgreSQL"], indirect=True, scope="session")
def test_both_replicas_serve_viewers_of_one_job(release: RunningRelease) -> None:
    products = names(20, 0.5)

    async def scenario(site: Site) -> None:
        client = await site.upload(products)
        await client.start("shared", "slow")

        async def look() -> None:
            await site.all_watch(41)
            shares = [sample(release.metrics(pod), "levain_training_viewers") for pod in release.names("training")]
            assert len(shares) == 2
            assert min(shares) > 0

        await site.under_viewers("shared", products, 40, look)

    run(release, scenario)


async def _completed(site: Site, name: str) -> int:
    return int((await site.resource(name)).get("status", {}).get("progress", {}).get("completed", 0))
