"""One process of the stack: a program of ours that keeps its address over restarts and says when it is ready."""

import asyncio
import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from levain.errors import CommandFailed
from levain.listening import reached_at, written
from levain.scaled.ports import free_port
from levain.scaled.program import Program
from levain_settings.readers import Listen

_READY_SECONDS = 30.0
_POLL_SECONDS = 0.05


class Member:
    """`listen` is None where it serves nothing but its metrics. Its log is `NAME.log` in `logs`."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], logs: Path, listen: Listen | None = None) -> None:
        self.name, self.metrics_port = name, free_port()
        self.port = None if listen is None else listen.port
        self._host = "127.0.0.1" if listen is None else reached_at(listen.host)
        self._command = command
        self._environment = {**environment, "LEVAIN_METRICS_LISTEN": f"127.0.0.1:{self.metrics_port}"}
        if listen is not None:
            self._environment["LEVAIN_LISTEN"] = written(*listen)
        self.program = Program(name, logs / f"{name}.log")
        self.restarts = 0

    @property
    def url(self) -> str:
        """Where it serves, and says whether it is ready."""
        return f"http://{written(self._host, self.port or self.metrics_port)}"

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.metrics_port}/metrics"

    @property
    def pid(self) -> int:
        return self.program.pid

    @property
    def running(self) -> bool:
        return self.program.running

    @property
    def log(self) -> Path:
        return self.program.log

    def launch(self) -> None:
        self.program.start(self._command, self._environment)

    def relaunch(self) -> None:
        self.restarts += 1
        self.launch()

    async def start(self) -> None:
        """Ready when it returns. Raises `CommandFailed` with its last words when it ends before."""
        self.launch()
        await self.until_ready()

    async def until_ready(self, seconds: float = _READY_SECONDS) -> None:
        try:
            async with asyncio.timeout(seconds):
                while await self.problems():
                    if not self.running:
                        raise CommandFailed(f"{self.name} ended: {self.program.last_words()}")
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise CommandFailed(f"{self.name} was not ready within {seconds:g} s: {'; '.join(await self.problems())}") from None

    async def problems(self) -> list[str]:
        """What it says on `/readyz`; empty means ready."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
                session.get(f"{self.url}/readyz") as answer,
            ):
                if answer.status == 200:
                    return []
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            return [f"no answer: {error}"]
        try:
            problems: list[str] = json.loads(text)["problems"]
        except (ValueError, LookupError, TypeError):
            return [text.strip() or f"HTTP {answer.status}"]
        return problems

    async def stop(self, seconds: float = 20.0) -> int:
        """SIGTERM. Its exit code."""
        return await asyncio.to_thread(self.program.stop, seconds)

    def kill(self) -> None:
        self.program.kill()

    def suspend(self) -> None:
        """It stands still with everything open, until `resume`."""
        self.program.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.program.signal(signal.SIGCONT)

    async def restart(self) -> None:
        self.relaunch()
        await self.until_ready()
