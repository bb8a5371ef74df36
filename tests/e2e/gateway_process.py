"""The gateway as a process of its own, before a training service that runs in the test."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from levain_contracts.claims import TrustedIssuer


class GatewayProcess(NamedTuple):
    process: asyncio.subprocess.Process
    port: int
    metrics_port: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def gateway_process(upstream_port: int, issuer: TrustedIssuer) -> AsyncIterator[GatewayProcess]:
    assert issuer.secret is not None
    metrics_port = free_port()
    own = {
        "LEVAIN_UPSTREAM_URL": f"http://127.0.0.1:{upstream_port}",
        "LEVAIN_TRUSTED_ISSUERS": json.dumps([{"issuer": issuer.issuer, "secret": issuer.secret.get_secret_value()}]),
        "LEVAIN_LISTEN": "127.0.0.1:0",
        "LEVAIN_METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
        "LEVAIN_DRAIN_SECONDS": "0.5",
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "levain_gateway", env=kept | own, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        while b"the gateway listens" not in (line := await process.stderr.readline()):
            assert line, "it did not start"
        drained = asyncio.create_task(process.stderr.read())
        yield GatewayProcess(process, json.loads(line)["port"], metrics_port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await drained
