"""Runs `levain up --scale` as a process of its own, and knows every process below it."""

import asyncio
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import aiohttp
import psutil
import uvloop
from tests.cli.command import start
from tests.training.harness import Client

ENDS_WITHIN_SECONDS = 15.0


class Scaled(NamedTuple):
    """`said`: the lines of its standard output up to its token."""

    folder: Path
    process: "subprocess.Popen[bytes]"
    out: IO[bytes]
    said: list[str]

    @property
    def urls(self) -> list[str]:
        return [line.split()[1].rstrip("/") for line in self.said if line.startswith("open ")]

    @property
    def token(self) -> str:
        return self.said[-1].split()[1]

    @property
    def pids(self) -> dict[str, int]:
        """As it says itself."""
        return {words[0]: int(words[2]) for words in map(str.split, self.said) if words[1:2] == ["process"]}

    @property
    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def line(self, wanted: str) -> str:
        """The next one with these words."""
        while wanted not in (line := self.out.readline().decode()):
            assert line, f"it ended before it said {wanted!r}"
        return line

    def rest(self) -> list[str]:
        return self.out.read().decode().splitlines()

    def ask(self, scenario: Callable[[list[Client]], Coroutine[Any, Any, None]]) -> None:
        """With a client at each gateway."""

        async def main() -> None:
            async with asyncio.timeout(40), aiohttp.ClientSession() as session:
                await scenario([Client(session, f"{url}/api/v1/tenants/demo/training", self.token) for url in self.urls])

        uvloop.run(main())


@contextmanager
def scaled(folder: Path, *arguments: str) -> Iterator[Scaled]:
    with (folder / "up.err").open("wb") as err:
        options = ["--data-dir", str(folder / "data"), "--listen", "127.0.0.1:0", "--workers", "2", *arguments]
        process = start("up", "--scale", *options, cwd=folder, err=err, env={"LEVAIN_LOG_LEVEL": "no level", "SECRET": "of a user"})
        assert process.stdout is not None
        said: list[str] = []
        try:
            while not said or not said[-1].startswith("token "):
                said.append(process.stdout.readline().decode().rstrip())
                assert said[-1], (folder / "up.err").read_text()
            yield Scaled(folder, process, process.stdout, said)
        finally:
            process.terminate()
            process.wait(ENDS_WITHIN_SECONDS)
            process.stdout.close()
