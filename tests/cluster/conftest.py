"""The Kubernetes API server that tests marked `cluster` use: one in a test process, started by the first test that asks."""

from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest
from tests.cluster.control_plane import Cluster, cluster

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
