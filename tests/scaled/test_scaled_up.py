"""`levain up --scale` as its user runs it: what it says, what it restarts, and that nothing of it is left."""

import asyncio
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import aiohttp
import psutil
import pytest
from tests.cli.command import start
from tests.training.harness import Client

from levain.errors import BadInput
from levain.scaled import postgres, rabbitmq
from levain.scaled.stack import ScaledStack

pytestmark = pytest.mark.servers

GONE_SECONDS = 25


class Up:
    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        self.process, self._out, self.lines = process, process.stdout, list[str]()

    def line_with(self, text: str) -> str:
        """The next that holds it. Waits no longer than the test's own limit."""
        out: IO[bytes] = self._out
        while line := out.readline().decode():
            self.lines.append(line.rstrip())
            if text in line:
                return self.lines[-1]
        raise AssertionError((text, self.lines, self.process.stderr and self.process.stderr.read()))

    @property
    def pids(self) -> dict[str, int]:
        found = (re.match(r"(\S+) +process (\d+)", line) for line in self.lines)
        return {match[1]: int(match[2]) for match in found if match}


@pytest.fixture
def up(server_folder: Path, request: pytest.FixtureRequest) -> Iterator[Up]:
    folder = server_folder / request.node.name
    process = start("up", "--scale", "--workers", "2", "--data-dir", str(folder), "--listen", "127.0.0.1:0", cwd=server_folder)
    try:
        yield Up(process)
    finally:
        process.kill()
        process.communicate()


def test_it_trains_through_both_gateways_restarts_what_is_killed_and_leaves_nothing_behind(up: Up) -> None:
    urls = [up.line_with("open  ").split()[1].rstrip("/"), up.line_with("open  ").split()[1].rstrip("/")]
    token = up.line_with("token ").split()[1]
    pids = up.pids
    assert pids.keys() == {"RabbitMQ", "PostgreSQL", "gateway-1", "gateway-2", "replica-1", "replica-2", "worker-1", "worker-2"}
    asyncio.run(_train(urls, token))
    psutil.Process(pids["worker-1"]).kill()
    assert "was ended by SIGKILL; it starts again in" in up.line_with("worker-1")
    again = int(up.line_with("worker-1 is ready again").rsplit(" ", 1)[1])
    up.process.send_signal(signal.SIGTERM)
    up.line_with("all have ended")
    assert up.process.wait(GONE_SECONDS) == 128 + signal.SIGTERM
    assert not [name for name, pid in {**pids, "again": again}.items() if psutil.pid_exists(pid)]


async def _train(urls: list[str], token: str) -> None:
    """Watched at the first gateway, started at the second."""
    async with aiohttp.ClientSession() as session:
        watching, starting = (Client(session, f"{url}/api/v1/tenants/demo/training", token) for url in urls)
        await starting.start("job", "instant", dataset="sample")
        seen = await watching.watch("job")
        assert (seen.types[-1], seen.code) == ("completed", 1000)


def test_a_kill_of_the_command_itself_leaves_no_process(up: Up) -> None:
    up.line_with("token ")
    left = [psutil.Process(pid) for pid in up.pids.values()]
    up.process.kill()
    _, alive = psutil.wait_procs(left, timeout=GONE_SECONDS)
    assert alive == []


def test_what_is_not_installed_is_one_line_that_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "found", lambda: None)
    monkeypatch.setattr(postgres, "found", lambda: None)
    with pytest.raises(BadInput) as missing:
        asyncio.run(ScaledStack(tmp_path).start())
    assert "apt-get install rabbitmq-server" in str(missing.value)
    assert "apt-get install postgresql" in str(missing.value)
    assert "\n" not in str(missing.value)
