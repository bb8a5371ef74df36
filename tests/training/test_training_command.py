"""`levain-training` and `levain-gateway` as processes of their own, as they run on a cluster."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
from tests.training.harness import ISSUER, Client, sales_csv

from levain_contracts.claims import sign
from levain_training import worker_settings
from levain_training.settings import SETTINGS, Settings, from_environment

INJECTED = {f"LEVAIN_{name}PORT": "tcp://10.0.0.1:80" for name in ("", "GATEWAY_", "TRAINING_", "RABBITMQ_")}


def environment(**settings: str) -> dict[str, str]:
    assert ISSUER.secret is not None
    issuers = json.dumps([{"issuer": ISSUER.issuer, "secret": ISSUER.secret.get_secret_value()}])
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LEVAIN_") or k == "LEVAIN_EXTRA_TRAINERS"}
    return kept | INJECTED | {"LEVAIN_TRUSTED_ISSUERS": issuers, "LEVAIN_METRICS_LISTEN": "off", "LEVAIN_DRAIN_SECONDS": "0.3"} | settings


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def run_to_its_end(module: str, *arguments: str, **settings: str) -> tuple[int, str]:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=environment(**settings), capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


@contextmanager
def process(module: str, *arguments: str, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, env=environment(**settings), stderr=subprocess.PIPE, text=True) as one:
        try:
            yield one
        finally:
            one.kill()


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "said"),
    [
        (["serve"], {}, 78, "LEVAIN_DATABASE_URL is not set"),
        (["serve"], {"LEVAIN_DATABASE_URL": "sqlite://", "LEVAIN_LISTEN": "8000"}, 78, "LEVAIN_LISTEN ('8000'): expected host:port"),
        (["serve"], {"LEVAIN_DATABASE_URL": "sqlite://", "LEVAIN_BATCHES_OUT": "many"}, 78, "LEVAIN_BATCHES_OUT"),
        (["serve"], {"LEVAIN_DATABASE_URL": "sqlite://", "LEVAIN_URI_PREFIXES": '{"a": ["http://x/"]}'}, 78, "LEVAIN_URI_PREFIXES"),
        (["serve"], {"LEVAIN_DATABASE_URL": "sqlite://", "LEVAIN_TRUSTED_ISSUERS": "[]"}, 78, "LEVAIN_TRUSTED_ISSUERS"),
        (["worker"], {}, 78, "LEVAIN_BROKER_URL is not set: a worker needs a broker"),
        (["worker"], {"LEVAIN_BROKER_URL": "amqp:secret"}, 78, "LEVAIN_BROKER_URL: expected an address such as amqp://user"),
        (["serve"], {"LEVAIN_DATABASE_URL": "sqlite://", "LEVAIN_CHUNK_SECONDS": "-1"}, 78, "LEVAIN_CHUNK_SECONDS"),
        (["migrate"], {}, 78, "LEVAIN_DATABASE_URL is not set"),
        (["dance"], {}, 2, "usage: levain-training serve|worker|migrate"),
    ],
)
def test_a_wrong_setting_ends_the_process_with_one_line(arguments: list[str], settings: dict[str, str], code: int, said: str) -> None:
    ended, text = run_to_its_end("levain_training", *arguments, **settings)
    assert (ended, text.count("\n")) == (code, 1), text
    assert said in text


def test_the_frozen_settings_have_the_defaults_of_the_table() -> None:
    given = from_environment(environment(LEVAIN_DATABASE_URL="sqlite://"))
    plain = Settings(database_url="sqlite://", issuers=given.issuers)
    different = {n for n in vars(plain) if getattr(plain, n) != getattr(given, n)}
    assert different == {"listen", "drain_seconds"}, "the listen address of an embedded service is a free port"
    assert len(SETTINGS) == len(vars(plain))


def test_the_workers_settings_have_the_defaults_of_the_table() -> None:
    given, plain = worker_settings.from_environment(environment()), worker_settings.WorkerProcess()
    assert given == plain
    assert len(worker_settings.SETTINGS) == len(vars(plain)) - 1 + len(vars(plain.worker))


def test_service_and_gateway_as_processes_train_a_job_and_end_politely(tmp_path: Path) -> None:
    """K23 too: what Kubernetes injects is ignored."""
    upstream, port = free_port(), free_port()
    database = f"sqlite:///{tmp_path / 'levain.db'}"
    with (
        process("levain_training", "serve", LEVAIN_DATABASE_URL=database, LEVAIN_LISTEN=f"127.0.0.1:{upstream}") as service,
        process("levain_gateway", LEVAIN_UPSTREAM_URL=f"http://127.0.0.1:{upstream}", LEVAIN_LISTEN=f"127.0.0.1:{port}") as gateway,
    ):
        token = sign(ISSUER, tenant_id="anna", subject="test")
        codes = asyncio.run(_train_and_watch(port, token, [service, gateway]))
        started = time.monotonic()
        for one in (gateway, service):
            assert one.wait(timeout=10) == 0
        assert time.monotonic() - started < 10
        assert codes == [1000, 1012]
        for one in (gateway, service):
            assert one.stderr is not None
            text = one.stderr.read()
            assert "Traceback" not in text
            assert token not in text
            assert all(json.loads(line)["message"] for line in text.splitlines())


async def _train_and_watch(port: int, token: str, processes: "list[subprocess.Popen[str]]") -> list[int | None]:
    """Close codes of a job that ends, and of one that is watched while both processes are told to end."""
    async with asyncio.timeout(50), aiohttp.ClientSession() as session:
        client = Client(session, f"http://127.0.0.1:{port}/api/v1/tenants/anna/training", token)
        await _ready(session, port)
        await client.upload(sales_csv(["Brot 1", "Brot 2"]))
        await client.start("job", "instant")
        watched = await client.watch("job")
        assert watched.types[-1] == "completed"
        await client.upload(sales_csv(["Brot 60s"]))
        await client.start("long", "slow")
        async with client.live("long") as socket_:
            await socket_.receive()
            for one in reversed(processes):
                one.send_signal(signal.SIGTERM)
            while not socket_.closed:
                await socket_.receive()
            return [watched.code, socket_.close_code]


async def _ready(session: aiohttp.ClientSession, port: int) -> None:
    while True:
        try:
            async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientConnectionError:
            pass
        await asyncio.sleep(0.1)
