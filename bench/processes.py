"""The service and the gateway as the processes that they are in production, for the time of one benchmark."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from bench.sockets import Target
from levain_contracts.claims import TrustedIssuer, sign
from levain_contracts.resources import DatasetRef, JobSpec
from levain_training.store import jobs
from levain_training.store.engine import make_engine, migrate

SECRET = "a secret that is only for this benchmark"
ISSUER = TrustedIssuer(issuer="bench", secret=SecretStr(SECRET))
LIVE_PATH = "/api/v1/tenants/bench/training/jobs/bench/live"
_ISSUERS = json.dumps([{"issuer": "bench", "secret": SECRET}])
_START_SECONDS = 30.0
_STOP_SECONDS = 60.0


class Running(NamedTuple):
    process: "subprocess.Popen[str]"
    port: int

    def viewer(self, first: str) -> Target:
        return Target(self.port, LIVE_PATH, sign(ISSUER, tenant_id="bench", subject="bench"), first)

    def held_bytes(self) -> int:
        """Of a process that runs under `bench.weighed`."""
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGUSR1)
        return int(self.process.stdout.readline())


@contextmanager
def gateway(upstream_port: int, log: Path, *launcher: str) -> Iterator[Running]:
    """`launcher`: what stands before the module's name, such as `-m bench.weighed`."""
    own = {"LEVAIN_UPSTREAM_URL": f"http://127.0.0.1:{upstream_port}", "LEVAIN_DRAIN_SECONDS": "0"}
    with _running([*(launcher or ["-m"]), "levain_gateway"], own, log, "the gateway listens") as running:
        yield running


@contextmanager
def service(folder: Path, log: Path, *launcher: str) -> Iterator[Running]:
    """With the broker in memory, SQLite and one job that waits."""
    url = f"sqlite:///{folder / 'levain.db'}"
    _waiting_job(url)
    own = {"LEVAIN_DATABASE_URL": url, "LEVAIN_DRAIN_SECONDS": "0"}
    with _running([*(launcher or ["-m"]), "levain_training", "serve"], own, log, "serving") as running:
        yield running


def _waiting_job(url: str) -> None:
    """Suspended, so that no analyst takes it."""
    engine = make_engine(url)
    migrate(engine)
    with engine.begin() as connection:
        jobs.create(connection, "bench", "bench", JobSpec(dataset=DatasetRef(name="none")), {"suspended": True}, time.time())
    engine.dispose()


@contextmanager
def _running(command: list[str], own: dict[str, str], log: Path, sign_of_life: str) -> Iterator[Running]:
    environment = os.environ | {"LEVAIN_TRUSTED_ISSUERS": _ISSUERS, "LEVAIN_LISTEN": "127.0.0.1:0", "LEVAIN_METRICS_LISTEN": "off"} | own
    with (
        log.open("w") as words,
        subprocess.Popen([sys.executable, *command], env=environment, stdout=subprocess.PIPE, stderr=words, text=True) as process,
    ):
        try:
            yield Running(process, _port(log, sign_of_life, process))
        finally:
            process.terminate()
            assert process.wait(_STOP_SECONDS) == 0, log.read_text()[-2000:]


def _port(log: Path, sign_of_life: str, process: "subprocess.Popen[str]") -> int:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith("{") and line.endswith("}") and json.loads(line)["message"] == sign_of_life:
                return int(json.loads(line)["port"])
        time.sleep(0.05)
    raise RuntimeError(f"{sign_of_life!r} was not said: {log.read_text()[-2000:]}")
