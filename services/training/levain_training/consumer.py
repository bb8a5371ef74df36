"""Broker -> consumer -> bursts: the one consumer of this replica. It decodes each event once and encodes its frame once."""

import logging
from contextlib import AbstractAsyncContextManager

from levain_broker.ports import Broker
from levain_contracts import frames
from levain_contracts.events import UnreadableEvent, decode
from levain_training.connections import ConnectionManager
from levain_training.metrics import Metrics

log = logging.getLogger(__name__)


class EventConsumer:
    def __init__(self, broker: Broker, connections: ConnectionManager, metrics: Metrics) -> None:
        self._broker = broker
        self._connections = connections
        self._metrics = metrics

    def consuming(self) -> AbstractAsyncContextManager[None]:
        """After each new session every open socket gets a fresh snapshot: what came before it may be lost."""
        return self._broker.watch_events(self.on_event, self._connections.resend_snapshots)

    def on_event(self, routing_key: str, body: bytes) -> None:
        """A message that can't be read is counted and dropped: the closing read of the viewers heals it."""
        try:
            event = decode(body).event
        except UnreadableEvent as error:
            self._metrics.event_not_understood("unreadable")
            log.warning("event dropped", extra={"routing_key": routing_key, "error": str(error)})
            return
        if event is None:
            self._metrics.event_not_understood("unknown_type")
            return
        key = (event.tenant_id, event.job_id)
        happened_at = event.time.timestamp()
        watched = self._connections.hub.watched(key)
        self._metrics.event_consumed(event.type, "delivered" if watched else "unwatched", happened_at)
        if watched:
            self._connections.deliver(key, frames.frame(event), happened_at)
