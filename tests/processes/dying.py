"""`python -m tests.processes.dying ROLE`: `levain-training ROLE` with a fault hook at each of its writes.

Every step of a replica ends in a call of the store's `write`, or of the broker's `publish_event`, `send` or `ack`. The file that `CONTROL`
names holds one of these moments, such as `after record` or `before send training.tasks`: the first process that comes to it takes the
file away and ends itself by SIGKILL.
"""

import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from levain_broker.ports import Broker, Delivery, OnDelivery
from levain_contracts.topics import WorkQueue
from levain_training import __main__, serve, service, work
from levain_training.brokers import broker_of
from levain_training.store.engine import Store

CONTROL = "LEVAIN_TEST_DIES_AT"


def die_at(moment: str) -> None:
    control = Path(os.environ[CONTROL])
    with contextlib.suppress(OSError):
        if control.read_text() == moment:
            control.rename(control.with_suffix(f".{os.getpid()}"))  # one of several processes has it
            os.kill(os.getpid(), signal.SIGKILL)


class Hooked:
    """Entered around a write."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        die_at(f"before {self._name}")

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            die_at(f"after {self._name}")


class HookedStore(Store):
    async def write(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        with Hooked(query.__name__):
            return await super().write(query, *args, **kwargs)


class HookedBroker:
    """A broker whose writes have hooks; all else is its own."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    async def publish_event(self, routing_key: str, body: bytes) -> None:
        with Hooked(f"publish {routing_key}"):
            await self._broker.publish_event(routing_key, body)

    async def send(self, queue: WorkQueue, body: bytes) -> None:
        with Hooked(f"send {queue.value}"):
            await self._broker.send(queue, body)

    @contextlib.asynccontextmanager
    async def consume(self, queue: WorkQueue, on_delivery: OnDelivery, *, prefetch: int) -> AsyncIterator[None]:
        async def hooked(delivery: Delivery) -> None:
            await on_delivery(HookedDelivery(delivery, queue))

        async with self._broker.consume(queue, hooked, prefetch=prefetch):
            yield


class HookedDelivery:
    def __init__(self, delivery: Delivery, queue: WorkQueue) -> None:
        self._delivery, self._queue = delivery, queue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._delivery, name)

    async def ack(self, *, last: bool = False) -> None:
        with Hooked(f"ack {self._queue.value}"):
            await self._delivery.ack(last=last)


def main() -> int:
    service.Store = HookedStore  # type: ignore[attr-defined]
    for module in (serve, work):
        module.broker_of = lambda *args, **kwargs: HookedBroker(broker_of(*args, **kwargs))  # type: ignore[attr-defined]
    return __main__.main()


if __name__ == "__main__":
    sys.exit(main())
