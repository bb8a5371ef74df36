"""One connection to RabbitMQ, made when it is asked for and made again when it is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import aio_pika
from aio_pika.abc import AbstractChannel
from aiormq.connection import DEFAULT_PORTS, TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL

from levain_broker import rabbit_topology
from levain_broker.errors import BrokerUnavailable
from levain_broker.rabbit_driver import asking

CONNECT_SECONDS = 5.0


class Options(NamedTuple):
    """`watchdog_seconds`: how often each session is asked whether it lives."""

    url: str
    name: str
    heartbeat_seconds: float
    watchdog_seconds: float
    max_queue_messages: int
    max_queue_bytes: int
    max_buffered_events: int


class _Transports(TransportFactory):
    """Keeps the transport, so that a dead connection can be aborted: its polite close waits for the peer."""

    def __init__(self, scheme: str) -> None:
        self._inner: TransportFactory = TLSTransportFactory() if scheme == "amqps" else TCPTransportFactory()
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self._writer = await self._inner.create(url, **kwargs)
        return reader, self._writer

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


class _Connection(aio_pika.Connection):
    def __init__(self, url: URL, **kwargs: Any) -> None:
        super().__init__(url, **kwargs)
        self.transports = _Transports(url.scheme)
        self.kwargs["transport_factory"] = self.transports

    def __del__(self) -> None:
        """Not the driver's, which makes a coroutine on whatever thread collects the connection; `Link` has closed or aborted it."""


class Link:
    """Sessions share it, each with a channel of its own."""

    def __init__(self, options: Options, purpose: str) -> None:
        self._options, self._purpose = options, purpose
        self._address = URL(options.url)
        self._connecting = asyncio.Lock()
        self._connection: _Connection | None = None

    @asynccontextmanager
    async def channel(self, *, declare: bool = True, **options: Any) -> AsyncIterator[AbstractChannel]:
        """`declare`: the topology first, so that a queue that somebody deleted is there again. Raises `BrokerUnavailable`."""
        async with self._connecting:
            connection = self._open() or await self._connect()
            try:
                async with asking(CONNECT_SECONDS):
                    if declare:
                        await self._declare(connection)
                    channel = await connection.channel(**options)
            except rabbit_topology.DeclaredOtherwise:
                raise
            except BrokerUnavailable as error:
                self.drop()
                raise BrokerUnavailable(f"{self._where()} gave no channel: {error}") from error
        try:
            yield channel
        finally:
            with suppress(BrokerUnavailable):
                async with asking():
                    await channel.close()

    def drop(self) -> None:
        """Ends a connection that is of no use any more, at once and without the peer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.transports.abort()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await _close(connection)

    def _open(self) -> _Connection | None:
        connection = self._connection
        if connection is not None and (connection.transport is None or connection.transport.connection.is_closed):
            self._connection = connection = None
        return connection

    async def _connect(self) -> _Connection:
        connection = _Connection(
            self._address.update_query(heartbeat=int(self._options.heartbeat_seconds)),
            client_properties={"connection_name": f"levain {self._options.name} {self._purpose}"},
        )
        try:
            async with asking(CONNECT_SECONDS):
                await connection.connect()
        except BaseException as error:
            connection.transports.abort()
            if isinstance(error, BrokerUnavailable):
                raise BrokerUnavailable(f"{self._where()} can't be used: {error}") from error
            raise
        self._connection = connection
        return connection

    async def _declare(self, connection: _Connection) -> None:
        assert connection.transport is not None
        version = str(connection.transport.connection.server_properties.get("version", ""))
        arguments = rabbit_topology.queue_arguments(version, self._options.max_queue_messages, self._options.max_queue_bytes)
        channel = await connection.channel()
        await rabbit_topology.declare(channel, arguments)
        if not channel.is_closed:
            await channel.close()

    def _where(self) -> str:
        return f"the broker at {self._address.host}:{self._address.port or DEFAULT_PORTS.get(self._address.scheme)}"


async def _close(connection: _Connection) -> None:
    with suppress(BrokerUnavailable):
        async with asking():
            await connection.close()
    connection.transports.abort()
