"""The broker as the rest of the system sees it. Every guarantee below is a test in tests/broker."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from levain_contracts.topics import WorkQueue

PUBLISH_TIMEOUT_SECONDS = 2.0


class Delivery(Protocol):
    """One message of a work queue, unsettled until exactly one of `ack` and `give_back` was called."""

    @property
    def body(self) -> bytes: ...

    @property
    def redelivered(self) -> bool: ...

    async def ack(self, *, last: bool = False) -> None:
        """Settles it. Never raises: an acknowledgement that comes too late means one more delivery.

        `last`: its consumer is handed nothing more. Leaving `consume` then returns no message that was never begun, which
        would count as a delivery of it.
        """

    async def give_back(self) -> None:
        """Returns it to the queue. It counts as a delivery: after the limit a task is dead-lettered. Never raises."""


class QueueState(NamedTuple):
    """`waiting`: messages that nobody was handed yet. `consumers`: who takes from it now, in all processes."""

    waiting: int
    consumers: int


class SessionState(NamedTuple):
    """All sessions of one client that do the same. `renewed` counts how often one was set up again after a loss."""

    what: str
    up: bool
    renewed: int


OnEvent = Callable[[str, bytes], None]
OnSession = Callable[[], None]
OnDelivery = Callable[[Delivery], Awaitable[None]]


class Broker(Protocol):
    """Events fan out and may be lost; work is kept until it is acknowledged.

    Every method but `close` may be called from the loop that the broker was made in, and from no other.
    """

    async def publish_event(self, routing_key: str, body: bytes) -> None:
        """At most once, to every watcher of now; nobody watching is no error. Ends within `PUBLISH_TIMEOUT_SECONDS`.

        Events of one publisher arrive in their order. Raises `BrokerUnavailable`.
        """

    def watch_events(self, on_event: OnEvent, on_session: OnSession) -> AbstractAsyncContextManager[None]:
        """Calls `on_event(routing_key, body)` for each event that is published while it is entered.

        `on_session` is called after each new session with the broker, the first included: what came before it may be lost.
        Both are called on the loop and must only hand over. The buffer is bounded; its overflow drops the oldest (`drop-head`).
        """

    async def send(self, queue: WorkQueue, body: bytes) -> None:
        """At least once: when it returns, the broker has the message. Ends within `PUBLISH_TIMEOUT_SECONDS`.

        Raises `BrokerUnavailable`, or `QueueFull` (overflow `reject-publish`).
        """

    def consume(self, queue: WorkQueue, on_delivery: OnDelivery, *, prefetch: int) -> AbstractAsyncContextManager[None]:
        """Hands over each message of `queue`, at most `prefetch` unsettled ones at a time, oldest first but for those that came back.

        Leaving returns what is unsettled to the queue. A task delivered `DELIVERY_LIMIT + 1` times without `ack` moves to
        `WorkQueue.DEAD_TASKS`; the other queues have no such limit. `on_delivery` runs as a task of its own for each message;
        an exception in it is logged and gives the message back.
        """

    async def queue_state(self, queue: WorkQueue) -> QueueState:
        """Raises `BrokerUnavailable`."""

    async def depth(self, queue: WorkQueue) -> int:
        """Messages that wait, unsettled ones not counted. Raises `BrokerUnavailable`."""

    def problem(self) -> str | None:
        """Why the broker can't be used now, in one line, or None. Readiness shows it."""

    def session_states(self) -> list[SessionState]:
        """One for each kind: `publishing`, `watching events`, `consuming <queue>`. May be called from any thread."""

    async def close(self) -> None:
        """Ends all sessions. What was not acknowledged goes back to its queue."""
