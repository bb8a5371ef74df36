"""One node in a test process, with the images as the Dockerfile makes them now; or the cluster that the environment names."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from tests.cache import cache
from tests.cluster.control_plane import EXISTING, Cluster, cluster
from tests.node import images
from tests.node.__main__ import claimed, node_of
from tests.node.kit import FITS, SLOW
from tests.node.probing import start_postgres
from tests.node.release import RunningRelease

_SERVERS = "servers"  # a namespace


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An existing cluster has the images already."""
    if os.environ.get(EXISTING):
        found = cluster(tmp_path_factory.mktemp("cluster"))
        found.start()
        yield found
        found.stop()
        return
    with claimed("e2e", wait=True):
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            archives = images.archives(cache() / "archives")
            print("starting the node", flush=True)
        private = node_of("e2e")
        private.start(images=archives)
        yield private
        private.stop()


@pytest.fixture(scope="session", params=["SQLite", "PostgreSQL"])
def release(request: pytest.FixtureRequest, node: Cluster) -> Iterator[RunningRelease]:
    """With each of the databases; what tests do to it heals before the next."""
    found = RunningRelease(node, "levain")
    _remove(found)
    found.make_namespace()
    values: dict[str, Any] = {"trainers": SLOW}
    if request.param == "PostgreSQL":
        url = start_postgres(node, _SERVERS)
        found.kubectl("create", "secret", "generic", "database", f"--from-literal=url={url}")
        database = {"type": "postgresql", "existingSecret": "database"}
        values |= {"database": database, "training": {"replicas": 2}, "workers": {"replicas": 3, "resources": FITS}}
    found.install(values)
    yield found
    _remove(found)


def _remove(release: RunningRelease) -> None:
    release.remove()
    release.cluster.kubectl("delete", "namespace", _SERVERS, "--ignore-not-found", seconds=120)
