"""The broker and the database of a stack: private ones in its folder, or those that run already."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from levain.errors import BadInput
from levain.scaled.postgres import Postgres
from levain.scaled.rabbitmq import RabbitMQ
from levain.scaled.rabbitmq_users import TRAINING, WORKER
from levain.scaled.roles import AddressOf

Server = TypeVar("Server", RabbitMQ, Postgres)


class Servers:
    """An address that is None stands for a private server."""

    def __init__(self, folder: Path, broker_url: "str | AddressOf | None", database_url: "str | AddressOf | None") -> None:
        """Raises `BadInput` where a private one is wanted and not installed."""
        self._broker_url, self._database_url = broker_url, database_url
        missing: list[BadInput] = []
        self.rabbitmq = (
            None if broker_url else _made(lambda: RabbitMQ(folder / "rabbitmq", users=(TRAINING, WORKER), metrics=True), missing)
        )
        self.postgres = None if database_url else _made(lambda: Postgres(folder / "postgres"), missing)
        if missing:
            raise BadInput("; ".join(map(str, missing)))

    @property
    def private(self) -> "list[RabbitMQ | Postgres]":
        """RabbitMQ first: it takes longest to start."""
        return [server for server in (self.rabbitmq, self.postgres) if server is not None]

    def broker_url(self, name: str) -> str:
        """What the process of this name is given. A private server's is known once it was launched."""
        if self.rabbitmq is None:
            return _for(name, self._broker_url)
        return self.rabbitmq.url_of((WORKER if name.startswith("worker") else TRAINING).name)

    def database_url(self, name: str) -> str:
        return _for(name, self._database_url) if self.postgres is None else self.postgres.url()


async def ready(server: RabbitMQ | Postgres) -> None:
    await asyncio.to_thread(server.wait)


def _made(make: Callable[[], Server], missing: list[BadInput]) -> Server | None:
    try:
        return make()
    except BadInput as error:
        missing.append(error)
        return None


def _for(name: str, address: "str | AddressOf | None") -> str:
    assert address is not None
    return address if isinstance(address, str) else address(name)
