import asyncio
import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.gateway.kit import SECRET, Ended, closing, run, service, token, until_closed, watch

from levain_contracts.closecodes import retry_ms
from levain_logs import JsonFormatter, configure, scrub

INJECTED = {f"LEVAIN_{name}PORT": "tcp://10.0.0.1:80" for name in ("", "GATEWAY_", "TRAINING_", "RABBITMQ_")}


def environment(port: int, **more: str) -> dict[str, str]:
    issuers = json.dumps([{"issuer": "tests", "secret": SECRET}])
    own = {
        "LEVAIN_UPSTREAM_URL": f"http://127.0.0.1:{port}",
        "LEVAIN_TRUSTED_ISSUERS": issuers,
        "LEVAIN_LISTEN": "127.0.0.1:0",
        "LEVAIN_METRICS_LISTEN": "127.0.0.1:0",
        "LEVAIN_DRAIN_SECONDS": "1",
    }
    return {"PATH": os.environ.get("PATH", "")} | own | more


@asynccontextmanager
async def started(port: int, **more: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """The process and the port that its log names."""
    command = [sys.executable, "-X", "dev", "-m", "levain_gateway"]
    process = await asyncio.create_subprocess_exec(*command, env=environment(port, **more), stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        while b"the gateway listens" not in (line := await process.stderr.readline()):
            assert line, "it did not start"
        yield process, json.loads(line)["port"]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def end_by(process: asyncio.subprocess.Process, number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    assert process.stderr is not None
    async with asyncio.timeout(10):
        log = (await process.stderr.read()).decode()
        return await process.wait(), log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_every_socket_with_1012_and_ends_the_process_quietly_within_ten_seconds(number: signal.Signals) -> None:
    async def work() -> None:
        async with service() as (_, port), started(port, **INJECTED) as (process, at):
            bearer = token()
            sockets = [await watch(at, bearer) for _ in range(20)]
            await closing(at, f"{bearer}x")
            ends = [asyncio.create_task(until_closed(socket)) for socket in sockets]
            code, log = await end_by(process, number)
            answers: list[Ended] = await asyncio.gather(*ends)
            assert code == 0
            assert {answer.code for answer in answers} == {1012}
            assert all(retry_ms(answer.reason) is not None for answer in answers)
            lines = [json.loads(line) for line in log.splitlines()]
            assert len([line for line in lines if line["message"] == "a live socket ended" and line["code"] == 1012]) == 20
            assert {line["level"] for line in lines} <= {"info", "warning"}
            assert "eyJ" not in log
            assert "Traceback" not in log

    run(work())


def test_it_ends_within_ten_seconds_with_the_default_window_too() -> None:
    async def work() -> None:
        async with service() as (_, port), started(port, LEVAIN_DRAIN_SECONDS="") as (process, at), watch(at, token()) as socket:
            await socket.recv()
            code, _ = await end_by(process, signal.SIGTERM)
            assert code == 0
            assert (await until_closed(socket)).code == 1012

    run(work())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"LEVAIN_UPSTREAM_URL": "tcp://10.0.0.1:80"}, "LEVAIN_UPSTREAM_URL"),
        ({"LEVAIN_TRUSTED_ISSUERS": "[]"}, "LEVAIN_TRUSTED_ISSUERS"),
        ({"LEVAIN_LISTEN": "203.0.113.1:80"}, "203.0.113.1:80"),
    ],
)
def test_a_wrong_setting_stops_it_with_one_line_and_exit_code_78(change: dict[str, str], says: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "levain_gateway"], env=environment(9) | change, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 78
    assert ended.stderr.count("\n") == 1
    assert says in ended.stderr


def logged(message: str, *args: object, **extra: Any) -> dict[str, Any]:
    record = logging.LogRecord("a", logging.INFO, "f", 1, message, args, None)
    vars(record).update(extra)
    found: dict[str, Any] = json.loads(JsonFormatter().format(record))
    return found


def test_a_log_line_is_json_with_its_extras_and_without_tokens() -> None:
    bearer = token()
    line = logged("asked %s", f"/x?token={bearer}&a=1", header=f"Bearer {bearer}", protocols=f"levain.v1, levain.bearer.{bearer}", n=3)
    assert line["message"] == "asked /x?token=[token]&a=1"
    assert (line["header"], line["protocols"], line["n"]) == ("Bearer [token]", "levain.v1, levain.bearer.[token]", 3)
    assert {"time", "level", "logger"} <= line.keys()
    assert bearer.split(".")[2] not in json.dumps(line)


@pytest.mark.parametrize("text", ["?token=no-jwt", "&token=no-jwt", "levain.bearer.no-jwt", "authorization: bearer no-jwt"])
def test_what_stands_where_a_token_stands_is_taken_out_too(text: str) -> None:
    assert "no-jwt" not in scrub(text)


def test_an_exception_is_one_line_without_tokens() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        configure("info", stream)
        try:
            raise ValueError(token())
        except ValueError:
            logging.getLogger("x").exception("broken")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    assert stream.getvalue().count("\n") == 1
    assert "ValueError" in json.loads(stream.getvalue())["exception"]
    assert "eyJ" not in stream.getvalue()
