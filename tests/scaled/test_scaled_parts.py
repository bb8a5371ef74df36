"""The parts of the scaled stack that need no server."""

import asyncio
import re
import signal
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from levain.errors import BadInput, ContactLost, ExitCode
from levain.scaled import postgres, rabbitmq
from levain.scaled.existing import broker_that_answers, database_that_answers
from levain.scaled.keeping import keep
from levain.scaled.ports import free_port, next_free_port
from levain.scaled.program import Program
from levain.scaled.stack import ScaledStack
from levain_settings.readers import Listen

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def test_missing_servers_are_one_line_that_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "_PLACES", ())
    monkeypatch.setattr(postgres, "_VERSIONS", tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BadInput) as caught:
        asyncio.run(ScaledStack(tmp_path / "data").start())
    assert str(caught.value) == (
        "RabbitMQ is not installed: on Debian, apt-get install rabbitmq-server; "
        "PostgreSQL is not installed: on Debian, apt-get install postgresql"
    )
    assert caught.value.exit_code == ExitCode.BAD_INPUT


def test_an_address_that_is_taken_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = Listen("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(BadInput, match=r"can't listen on .*Address already in use; choose another address by --listen"):
            asyncio.run(ScaledStack(tmp_path / "data", listen=listen).start())
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("check", "url", "error", "says"),
    [
        (broker_that_answers, "http://user:hidden@host/", BadInput, "must begin with amqp"),
        (broker_that_answers, "amqp://", BadInput, "must look like amqp"),
        (broker_that_answers, "amqp://user:hidden@127.0.0.1:1/", ContactLost, "no RabbitMQ at 127.0.0.1:1"),
        (database_that_answers, "sqlite:////hidden.db", BadInput, "must look like postgresql"),
        (database_that_answers, "mysql://user:hidden@host/", BadInput, "must begin with postgresql"),
        (database_that_answers, "postgresql://user:hidden@127.0.0.1:1/levain", ContactLost, "no PostgreSQL at 127.0.0.1:1"),
        (database_that_answers, "postgresql://user:hidden@[::1/levain", BadInput, "must look like"),
    ],
)
def test_a_server_that_can_t_be_used_is_named_without_its_password(
    check: Callable[[str], Coroutine[Any, Any, str]], url: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as caught:
        asyncio.run(check(url))
    assert says in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_port_is_given_once() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == len(ports)


def test_the_next_port_is_the_next_one_that_nobody_listens_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert next_free_port("127.0.0.1", port - 1) > port


def test_what_ends_at_once_again_and_again_is_started_after_growing_pauses(tmp_path: Path) -> None:
    program = Program("thing", tmp_path / "thing.log")
    said: list[str] = []

    def launch() -> None:
        program.start(["sh", "-c", "exit 7"], ENVIRONMENT)

    async def never() -> None:
        while program.running:
            await asyncio.sleep(0.01)

    async def main() -> None:
        launch()
        keeper = asyncio.create_task(keep(program, launch, never, said.append))
        while sum("starts again" in line for line in said) < 3:
            await asyncio.sleep(0.05)
        keeper.cancel()

    asyncio.run(main())
    pauses = [float(found[1]) for line in said if (found := re.fullmatch(r"thing ended with exit code 7; it starts again in (.*) s", line))]
    assert len(pauses) == 3
    assert 0.5 <= pauses[0] <= 1 <= pauses[1] <= 2 <= pauses[2] <= 4


def test_a_program_that_was_told_to_stop_and_does_not_is_ended_by_force(tmp_path: Path) -> None:
    program = Program("stubborn", tmp_path / "stubborn.log")
    program.start(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"], ENVIRONMENT)
    program.wait_until(lambda: program.said() == b"up\n", 10)
    assert program.stop(0.3) == -signal.SIGKILL
    assert program.how_it_ended() == "was ended by SIGKILL"
