"""The chart with its default values, from `helm install` to `helm uninstall`: each test goes on where the one before ended."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.chart.kit import ROOT
from tests.cluster import kit as resources
from tests.cluster.control_plane import Cluster
from tests.e2e.whole import stored
from tests.node.kit import FITS, SLOW, Site, run
from tests.node.release import RunningRelease
from tests.processes.kit import Witness, names

from levain_contracts.frames import FrameType
from levain_contracts.viewer import same_for_viewers

pytestmark = pytest.mark.node

CHANGED = {
    "trainers": SLOW,
    "gateway": {"replicas": 3},
    "workers": {"replicas": 3, "resources": FITS, "settings": {"LEVAIN_LOG_LEVEL": "debug"}},
    "training": {"settings": {"LEVAIN_LOG_LEVEL": "debug"}},
}


@pytest.fixture(scope="module")
def defaults(node: Cluster) -> Iterator[RunningRelease]:
    found = RunningRelease(node, "levain")
    found.remove()
    found.make_namespace()
    yield found
    found.remove()


def test_the_default_values_become_ready_in_a_namespace_that_enforces_restricted_pods(defaults: RunningRelease) -> None:
    said = defaults.install({})
    assert "helm test levain" in said
    defaults.until_ready("worker")  # Helm does not wait for those that an update may take away
    ready = [all(c["ready"] for c in pod["status"]["containerStatuses"]) for pod in defaults.pods()]
    assert len(ready) == 8
    assert all(ready)


def test_helm_test_trains_the_sample_and_watches_it_over_a_web_socket(defaults: RunningRelease) -> None:
    assert "Phase:          Succeeded" in defaults.test()


def test_the_page_comes_from_the_gateways_service(defaults: RunningRelease) -> None:
    async def scenario(site: Site) -> None:
        async with site.session.get(f"{site.url}/") as answer:
            page = await answer.text()
        assert answer.status == 200
        assert "default-src" in answer.headers["Content-Security-Policy"]
        assert '<script type="module"' in page

    run(defaults, scenario)


def test_the_example_ends_complete_and_viewers_inside_and_outside_saw_the_same(defaults: RunningRelease) -> None:
    async def scenario(site: Site) -> None:
        example = yaml.safe_load((ROOT / "examples" / "trainingjob.yaml").read_text(encoding="utf-8"))
        name = example["metadata"]["name"]
        job_id = await site.apply(example)
        client = site.client(site.namespace)
        await site.until_stored(job_id)
        watching = asyncio.create_task(asyncio.to_thread(_levain_watch, site, job_id))
        async with site.viewer_of(Witness, job_id, site.namespace) as witness:
            watched = await client.watch(job_id, 120)
            resource = await site.ended(name, 120)
            seen = await witness.end()
        assert resources.state(resource) == "Completed"
        progress = [frame.progress for frame in watched.frames]
        assert resources.percent(resource) == progress[-1] == seen.end.progress == 100
        assert progress == sorted(progress)
        for frame in watched.frames:
            if frame.type is FrameType.PRODUCT_COMPLETED:
                data: dict[str, Any] = dict(frame.data)
                assert frame.progress == 20 + data["products_completed"] * 60 // data["total_products"]
        assert same_for_viewers(seen.end, await stored(client, job_id))
        last = json.loads((await watching).splitlines()[-1])
        assert (last["type"], last["progress"]) == ("completed", 100)

    run(defaults, scenario)


def test_two_upgrades_without_a_change_keep_secrets_pods_and_tokens(defaults: RunningRelease) -> None:
    async def scenario(site: Site) -> None:
        client, secrets, pods = site.client(site.namespace), defaults.secrets(), set(defaults.names())
        for _ in range(2):
            await asyncio.to_thread(defaults.upgrade, {})
        assert (defaults.secrets(), set(defaults.names())) == (secrets, pods)
        await client.start("after", "auto", "sample")
        assert (await client.watch("after", 120)).code == 1000

    run(defaults, scenario)


def test_an_upgrade_to_changed_values_under_a_running_job_loses_nothing_and_cuts_nobody_off(defaults: RunningRelease) -> None:
    products = names(400, 0)

    async def scenario(site: Site) -> None:
        await asyncio.to_thread(defaults.upgrade, {"trainers": SLOW})  # no trainer of ours is slow enough for an upgrade
        client = await site.upload(products)
        await client.start("upgraded", "slow")

        async def upgrade() -> None:
            before = await client.wait_for("upgraded", lambda job: job["products_completed"] >= 10, 60)
            assert before["state"] == "training"
            await asyncio.to_thread(defaults.upgrade, CHANGED)

        codes = await site.under_viewers("upgraded", products, 20, upgrade)
        assert codes.keys() <= {1000, 1012, 1013}, codes

    run(defaults, scenario)
    assert len(defaults.names("gateway")) == len(defaults.names("worker")) == 3


def test_an_uninstallation_leaves_what_it_says_and_nothing_else(defaults: RunningRelease) -> None:
    notes = defaults.upgrade(CHANGED)
    assert "leaves: the CRDs and all TrainingJobs; the database's volume; RabbitMQ's volume; the operator's Lease; nothing else" in notes
    defaults.uninstall()
    kinds = defaults.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
    lasting = [kind for kind in kinds if not kind.startswith(("events", "endpoints", "pods.metrics"))]
    left = defaults.kubectl("get", ",".join(lasting), "--output=name", "--ignore-not-found").split()
    assert set(left) == {
        "configmap/kube-root-ca.crt",
        "serviceaccount/default",
        "service/from-outside",
        "persistentvolumeclaim/data-levain-rabbitmq-0",
        "persistentvolumeclaim/levain-data",
        "lease.coordination.k8s.io/levain-operator",
    }
    everywhere = defaults.cluster.kubectl("get", "clusterroles,clusterrolebindings,crds", "--output=name").split()
    assert sorted(name for name in everywhere if "levain" in name and not name.endswith("levain-tests")) == [
        "customresourcedefinition.apiextensions.k8s.io/trainingjobs.levain.dev",
        "customresourcedefinition.apiextensions.k8s.io/trainingschedules.levain.dev",
    ]


def _levain_watch(site: Site, job_id: str) -> str:
    """What the command says, as a user outside runs it."""
    command = [sys.executable, "-m", "levain", "watch", job_id, "--url", site.url, "--json", "--token", site.token(site.namespace)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=150).stdout
