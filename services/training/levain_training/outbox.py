"""Batch -> outbox -> broker: results of one task leave in chunks, and each chunk is sent again until the broker has it."""

import asyncio
import logging
from collections import deque

from levain_broker.errors import BrokerError
from levain_broker.ports import Broker
from levain_contracts.task_text import Outline, splice_results
from levain_contracts.tasks import MAX_BATCH_BYTES
from levain_contracts.topics import WorkQueue
from levain_training.stopping import Stop

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0


async def send(broker: Broker, queue: WorkQueue, body: bytes, stop: Stop) -> None:
    """At least once. Tries until `stop` is over, then raises the last `BrokerError`; without a stop it tries for ever."""
    pause_seconds = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await broker.send(queue, body)
        except BrokerError as error:
            if stop.over:
                raise
            log.warning("not sent, trying again", extra={"queue": queue.value, "error": str(error), "pause_seconds": pause_seconds})
        await stop.pause(pause_seconds)
        pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)


class Outbox:
    """Results as their JSON texts. Holds at most `chunk_results` results and `MAX_BATCH_BYTES`; over it `put` waits.

    The first result goes out at once; what ends within `chunk_seconds` of a chunk goes out together, or as soon as a chunk is full.
    """

    def __init__(self, broker: Broker, task: Outline, stop: Stop, *, chunk_results: int, chunk_seconds: float) -> None:
        self._broker = broker
        self._task = task
        self._stop = stop
        self._chunk_results = chunk_results
        self._chunk_seconds = chunk_seconds
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._closing = False
        self._news, self._hurry, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._sender = asyncio.create_task(self._send_all())
        self._sender.add_done_callback(lambda _: self._room.set())

    async def put(self, result: bytes) -> None:
        """Returns when the result is held; one that is cancelled before was not taken. Raises what the sending raised."""
        while self._full:
            if self._sender.done():
                await self._sender
            self._room.clear()
            await self._room.wait()
        self._waiting.append(result)
        self._waiting_bytes += len(result)
        self._news.set()
        if self._full:
            self._hurry.set()

    async def drain(self) -> None:
        """Returns when the broker has all results. Raises `BrokerError` when the stop was over before that."""
        self._closing = True
        self._news.set()
        self._hurry.set()
        await self._sender

    def cancel(self) -> None:
        self._sender.cancel()

    @property
    def _full(self) -> bool:
        return len(self._waiting) >= self._chunk_results or self._waiting_bytes >= MAX_BATCH_BYTES

    async def _send_all(self) -> None:
        while await self._some():
            await send(self._broker, WorkQueue.RESULTS, self._next_chunk(), self._stop)
            await self._collect()

    async def _some(self) -> bool:
        """False when nothing waits and nothing comes any more."""
        while not self._waiting and not self._closing:
            self._news.clear()
            await self._news.wait()
        return bool(self._waiting)

    async def _collect(self) -> None:
        if self._full or self._closing:
            return
        self._hurry.clear()
        try:
            async with asyncio.timeout(self._chunk_seconds):
                await self._hurry.wait()
        except TimeoutError:
            pass

    def _next_chunk(self) -> bytes:
        results: list[bytes] = []
        size_bytes = 0
        while self._waiting and (not results or size_bytes + len(self._waiting[0]) <= MAX_BATCH_BYTES):
            results.append(self._waiting.popleft())
            size_bytes += len(results[-1])
        self._waiting_bytes -= size_bytes
        self._room.set()
        return splice_results(self._task, results)
