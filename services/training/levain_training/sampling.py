"""Broker, store -> metrics: what has to be asked for, asked in the background, so that a scrape waits for nobody."""

import asyncio
import time

from levain_broker.errors import BrokerError
from levain_broker.ports import Broker
from levain_contracts.topics import WorkQueue
from levain_training.metrics import Metrics
from levain_training.store.engine import Store, StoreUnavailable
from levain_training.store.work import open_work

_EVERY_SECONDS = 5.0  # well below a usual scrape's interval of 15 to 60


class Sampler:
    def __init__(self, broker: Broker, store: Store, metrics: Metrics) -> None:
        self._broker = broker
        self._store = store
        self._metrics = metrics

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.gather(self.ask_broker(), self.ask_store())
            await asyncio.sleep(_EVERY_SECONDS)

    async def ask_broker(self) -> None:
        for queue in WorkQueue:
            try:
                self._metrics.queue_seen(queue, await self._broker.queue_state(queue))
            except BrokerError:
                self._metrics.queue_seen(queue, None)

    async def ask_store(self) -> None:
        try:
            self._metrics.work_seen(await self._store.read(open_work, time.time()))
        except StoreUnavailable:
            self._metrics.work_seen(None)
