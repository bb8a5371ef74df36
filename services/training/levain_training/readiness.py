"""Whether this replica can do its job now: store, broker, event consumer, and not on its way out."""

import asyncio

import sqlalchemy as sa

from levain_broker.ports import Broker
from levain_training.connections import ConnectionManager
from levain_training.store.engine import Store, StoreUnavailable

_STORE_SECONDS = 2.0


class Readiness:
    def __init__(self, store: Store, broker: Broker, connections: ConnectionManager) -> None:
        self._store = store
        self._broker = broker
        self._connections = connections
        self.started = False

    async def problems(self) -> list[str]:
        """One line each; none means ready."""
        found = [self._broker.problem(), await self._store_problem()]
        if not self.started:
            found.append("the service is starting")
        if self._connections.draining:
            found.append("the service is draining")
        return [line for line in found if line is not None]

    async def _store_problem(self) -> str | None:
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await self._store.read(_ping)
        except (StoreUnavailable, TimeoutError):
            return "the database does not answer"
        return None


def _ping(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT 1"))
