"""The Kubernetes API server that tests marked `cluster` use: one in a test process, started by the first test that asks."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from secrets import token_hex

import pytest
import yaml
from tests.cluster.control_plane import Cluster, ControlPlane, binary, cluster
from tests.cluster.kit import access, run
from tests.cluster.release import Release
from tests.cluster.shell import Shell
from tests.e2e.processes import place_of_its_own

from levain.scaled.postgres import Postgres
from levain.scaled.rabbitmq import RabbitMQ
from levain.scaled.stack import ScaledStack
from levain.shipped import SAMPLE
from levain_training.forecasting.registry import EXTRA_TRAINERS
from levain_training.forecasting.testing import ALL_TRAINERS

CRDS = sorted((Path(__file__).parents[2] / "charts" / "levain" / "files" / "crds").glob("*.yaml"))


@pytest.fixture(scope="session")
def control_plane(server_folder: Path) -> Iterator[Cluster]:
    """It knows our kinds. Tests keep to a namespace of their own, and leave it running."""
    server = cluster(server_folder / "kubernetes")
    server.start(CRDS)
    yield server
    server.stop()


@pytest.fixture
def namespace(control_plane: Cluster) -> Iterator[str]:
    """A new one, with a name that no other has. What is in it is deleted some time after the test."""
    name = f"test-{token_hex(5)}"
    status, answer = control_plane.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert status == 201, answer
    yield name
    control_plane.call("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session")
def service(control_plane: Cluster, rabbitmq: RabbitMQ, postgres: Postgres, server_folder: Path) -> Iterator[ScaledStack]:
    """The training service with two workers and trainers that are slow on purpose; the operator's account is in the cluster."""
    control_plane.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(access()))
    with pytest.MonkeyPatch.context() as environment, place_of_its_own(rabbitmq, postgres) as (broker_url, database_url):
        environment.setenv(EXTRA_TRAINERS, ALL_TRAINERS)
        stack = ScaledStack(
            server_folder / "service",
            sample=SAMPLE,
            gateways=1,
            replicas=1,
            workers=2,
            broker_url=broker_url,
            database_url=database_url,
            environment={"replica": {"LEVAIN_BATCHES_OUT": "4"}},
            supervise=False,
        )
        asyncio.run(stack.start())
        yield stack
        asyncio.run(stack.stop())


@pytest.fixture
def on_cluster(control_plane: Cluster, service: ScaledStack, namespace: str) -> Callable[..., None]:
    """Runs a scenario."""
    return partial(run, control_plane, service, namespace)


@pytest.fixture(scope="session")
def bare(server_folder: Path) -> Iterator[ControlPlane]:
    """A cluster that never saw anything of ours: Helm is to bring the kinds, and no other test's may be deleted."""
    if binary() is None:
        pytest.skip("run `make kube` first: an existing cluster may have our kinds")
    server = ControlPlane(server_folder / "bare")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def release(bare: ControlPlane) -> Iterator[Release]:
    namespace = f"test-{token_hex(5)}"
    bare.kubectl("create", "namespace", namespace)
    made = Release(bare, namespace)
    yield made
    made.helm("uninstall", "levain", "--ignore-not-found")
    made.delete_kinds()
    # Nobody here takes the finalizer off its volume claim, so that none may wait for it.
    bare.kubectl("delete", f"namespace/{namespace}", "--wait=false")


@pytest.fixture
def shell(release: Release, tmp_path: Path) -> Shell:
    return Shell(tmp_path, release)
