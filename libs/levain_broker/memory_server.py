"""What the in-memory clients share: bounded work queues, and who watches events. Everything here runs on one event loop."""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from levain_broker.errors import QueueFull
from levain_contracts.topics import DELIVERY_LIMIT, WorkQueue

MAX_QUEUE_MESSAGES = 10_000
MAX_QUEUE_BYTES = 128 * 1024 * 1024  # 32 of the largest batches


@dataclass(slots=True, order=True)
class Message:
    number: int
    body: bytes = field(compare=False)
    deliveries: int = field(default=0, compare=False)


class Taker(Protocol):
    """A consumer, seen from its queue. `take` is called only while `has_room`."""

    @property
    def has_room(self) -> bool: ...

    def take(self, message: Message) -> None: ...


class Queue:
    """Waiting messages, oldest first; overflow `reject-publish`. Bounds count what waits: `prefetch` bounds the rest."""

    def __init__(self, name: WorkQueue, max_messages: int, max_bytes: int, on_dead: Callable[[bytes], None] | None) -> None:
        self.name, self._max_messages, self._max_bytes, self._on_dead = name, max_messages, max_bytes, on_dead
        self._waiting: list[Message] = []
        self._waiting_bytes = 0
        self._last_number = 0
        self._takers: deque[Taker] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def consumers(self) -> int:
        return len(self._takers)

    def put(self, body: bytes) -> None:
        """Raises `QueueFull`. An empty queue takes a message of any size: else that one could never be sent."""
        too_many_bytes = self._waiting and self._waiting_bytes + len(body) > self._max_bytes
        if len(self._waiting) >= self._max_messages or too_many_bytes:
            raise QueueFull(f"{self.name} is full: {len(self._waiting)} messages, {self._waiting_bytes} bytes wait; send it again later")
        self.put_unbounded(body)

    def put_unbounded(self, body: bytes) -> None:
        self._last_number += 1
        self._wait(Message(self._last_number, body))

    def put_back(self, message: Message) -> None:
        """To its old place before all younger ones, or to the dead letters: neither may fail, so no bound holds here."""
        if self._on_dead is not None and message.deliveries > DELIVERY_LIMIT:
            self._on_dead(message.body)
        else:
            self._wait(message)

    def join(self, taker: Taker) -> None:
        self._takers.append(taker)
        self.hand_out()

    def leave(self, taker: Taker) -> None:
        self._takers.remove(taker)

    def hand_out(self) -> None:
        """Gives what waits to the consumers with room, in turn."""
        while self._waiting and (taker := self._next_taker()):
            message = heapq.heappop(self._waiting)
            self._waiting_bytes -= len(message.body)
            message.deliveries += 1
            taker.take(message)

    def _next_taker(self) -> Taker | None:
        for _ in range(len(self._takers)):
            self._takers.rotate(-1)
            if self._takers[-1].has_room:
                return self._takers[-1]
        return None

    def _wait(self, message: Message) -> None:
        heapq.heappush(self._waiting, message)
        self._waiting_bytes += len(message.body)
        self.hand_out()


class EventSink(Protocol):
    def push(self, routing_key: str, body: bytes) -> None: ...


class MemoryServer:
    """One broker for all `MemoryBroker` clients of it."""

    def __init__(self, *, max_queue_messages: int = MAX_QUEUE_MESSAGES, max_queue_bytes: int = MAX_QUEUE_BYTES) -> None:
        dead = Queue(WorkQueue.DEAD_TASKS, max_queue_messages, max_queue_bytes, None)
        self.queues = {
            WorkQueue.TASKS: Queue(WorkQueue.TASKS, max_queue_messages, max_queue_bytes, dead.put_unbounded),
            WorkQueue.RESULTS: Queue(WorkQueue.RESULTS, max_queue_messages, max_queue_bytes, None),
            WorkQueue.DEAD_TASKS: dead,
        }
        self.watchers: list[EventSink] = []
