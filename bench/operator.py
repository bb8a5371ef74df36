"""TrainingJobs from their creation to their last status, a second: the operator against a bare kopf handler that patches twice.

A real API server, and a training service that ends each job as soon as it is asked what changed: how fast products train does not matter.
The limits on status writes, which spare an API server that others use too, are off. The operator does more for each: it reads it once more
before it starts the job, starts it, and writes events. About half of the machine goes into the API server, for both.
"""

import asyncio
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from aiohttp import web
from tests.cluster import control_plane
from tests.cluster.conftest import CRDS
from tests.cluster.control_plane import Cluster
from tests.cluster.kit import has_ended, job
from tests.kubernetes.world import make_job

from bench.report import Ratio
from levain.scaled.program import Program
from levain_contracts.frames import Stage
from levain_contracts.jobs import JobState
from levain_contracts.resources import Changes, Job, JobSpec
from levain_operator.operate import utc_now

JOBS = 300
_CREATORS = 8
_SECRET = "a secret that is only for this benchmark"
_LIMIT_SECONDS = 120.0
_START_SECONDS = 30.0


def run(rounds: int) -> list[Ratio]:
    if control_plane.binary() is None:
        print("left out: the operator's benchmark, whose Kubernetes is not built (make kube)")
        return []
    ours, theirs = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as name, _cluster(Path(name)) as cluster:
        for _ in range(rounds):
            with _running(cluster, "bare kopf", ["-m", "kopf", "run", "--quiet", "--all-namespaces", "-m", "bench.bare_kopf"], {}):
                theirs.append(_handled_per_second(cluster))
            with _service() as url, _running(cluster, "operator", ["-m", "levain_operator"], _settings(url)):
                ours.append(_handled_per_second(cluster))
    return [Ratio("TrainingJobs, operator / bare kopf handler", "resources/s", ours, theirs, ">= 0.8")]


@contextmanager
def _cluster(folder: Path) -> Iterator[Cluster]:
    cluster = control_plane.cluster(folder / "kubernetes")
    cluster.start(CRDS)
    try:
        yield cluster
    finally:
        cluster.stop()


@contextmanager
def _running(cluster: Cluster, name: str, command: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    """Until it has handled a first resource."""
    program = Program(name, cluster.folder / f"{name}.log")
    config = str(cluster.kubeconfig())
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[1]), "KUBECONFIG": config, "LEVAIN_KUBECONFIG": config}
    program.start([sys.executable, *command], {**own, **environment})
    try:
        first = _namespace(cluster)
        _create(cluster, first, 0)
        program.wait_until(lambda: _ended(cluster, first) == 1, _START_SECONDS)
        _clear(cluster, first)
        yield
    finally:
        program.stop()


def _settings(service_url: str) -> dict[str, str]:
    return {
        "LEVAIN_TRAINING_URL": service_url,
        "LEVAIN_OPERATOR_SECRET": _SECRET,
        "LEVAIN_POLL_SECONDS": "0.1",
        "LEVAIN_STATUS_SECONDS": "0",
        "LEVAIN_STATUS_WRITES_PER_SECOND": "1000",
        "LEVAIN_METRICS_LISTEN": "off",
        "LEVAIN_LOG_LEVEL": "warning",
    }


def _handled_per_second(cluster: Cluster) -> float:
    namespace = _namespace(cluster)
    began = time.monotonic()
    with ThreadPoolExecutor(_CREATORS) as creators:
        list(creators.map(lambda number: _create(cluster, namespace, number), range(JOBS)))
    while (ended := _ended(cluster, namespace)) < JOBS:
        assert time.monotonic() < began + _LIMIT_SECONDS, f"{ended} of {JOBS} ended"
        time.sleep(0.2)
    seconds = time.monotonic() - began
    _clear(cluster, namespace)
    return JOBS / seconds


def _namespace(cluster: Cluster) -> str:
    name = f"bench-{token_hex(5)}"
    status, answer = cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert status == 201, answer
    return name


def _create(cluster: Cluster, namespace: str, number: int) -> None:
    status, answer = cluster.call("POST", _path(namespace), job(f"bakery-{number}", model="instant"))
    assert status == 201, answer


def _ended(cluster: Cluster, namespace: str) -> int:
    status, answer = cluster.call("GET", _path(namespace))
    assert status == 200, answer
    return sum(map(has_ended, answer["items"]))


def _clear(cluster: Cluster, namespace: str) -> None:
    """What one leaves behind would be work for the next."""
    status, answer = cluster.call("DELETE", _path(namespace))
    assert status == 200, answer


def _path(namespace: str) -> str:
    return f"/apis/levain.dev/v1alpha1/namespaces/{namespace}/trainingjobs"


@contextmanager
def _service() -> Iterator[str]:
    """In a thread of its own."""
    loop, address = asyncio.new_event_loop(), list[str]()
    listens = threading.Event()

    async def serve() -> None:
        runner = web.AppRunner(_application(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        address.append(f"http://{host}:{port}")
        listens.set()

    loop.create_task(serve())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    assert listens.wait(_START_SECONDS)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _application() -> web.Application:
    ended: list[Job] = []

    async def put(request: web.Request) -> web.Response:
        spec = JobSpec.model_validate_json(await request.read())
        began = make_job(utc_now(), spec, tenant=request.match_info["tenant"], job_id=request.match_info["job"])
        done = {"state": JobState.COMPLETED, "stage": Stage.DONE, "progress": 100, "seq": 9, "ended_at": utc_now()}
        ended.append(began.model_copy(update=done | {"products_completed": 2, "total_products": 2}))
        return web.Response(status=202, body=began.model_dump_json(), content_type="application/json")

    async def changes(request: web.Request) -> web.Response:
        known = int(request.query.get("changed_after", "0"))
        page = Changes(items=ended[known:], cursor=str(len(ended)), more=False)
        return web.Response(body=page.model_dump_json(), content_type="application/json")

    app = web.Application()
    app.router.add_put("/api/v1/tenants/{tenant}/training/jobs/{job}", put)
    app.router.add_get("/api/v1/training/jobs", changes)
    return app
