"""A TCP proxy that fails as networks do. What it is told holds until it is told otherwise."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class CuttingProxy:
    """Passes bytes on to `upstream_port` in pieces of at most `piece_bytes`, so that cuts fall amid frames too.

    `cut` resets; `stall` goes silent with everything open, also to who comes then (a black hole); `half_open` is silent to those alone who
    are there; `abandon` leaves the upstream with peers that are gone; `refuse` listens no more.
    """

    def __init__(self, upstream_port: int, piece_bytes: int = 65_536) -> None:
        self._upstream_port, self._piece_bytes = upstream_port, piece_bytes
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._pumps: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.connections = 0
        self.cut_after_bytes: int | None = None  # downstream, of each connection

    async def listen(self) -> None:
        """On the same port again, after `refuse`."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        except OSError:
            return _reset(writer)
        if self._server is None:
            _reset(up_writer)
            return _reset(writer)
        self._pairs.append((writer, up_writer))
        for source, sink, limit in ((reader, up_writer, None), (up_reader, writer, self.cut_after_bytes)):
            pump = asyncio.create_task(self._pump(source, sink, limit, self._flowing))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)
        return None

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None, flowing: asyncio.Event) -> None:
        passed = 0
        try:
            while data := await reader.read(self._piece_bytes):
                await flowing.wait()
                passed += len(data)
                if limit is not None and passed >= limit:
                    writer.write(data[: max(len(data) - (passed - limit), 0)])
                    await writer.drain()
                    return self.cut()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        await flowing.wait()  # an end is as silent as the rest
        writer.close()
        return None

    def cut(self) -> None:
        """Resets every open connection on both sides."""
        for pair in self._pairs:
            for writer in pair:
                _reset(writer)
        self._pairs.clear()

    def stall(self) -> None:
        """No byte passes any more, in either direction, and nothing is closed."""
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    def half_open(self) -> None:
        """Those who are connected hear nothing for ever and are not told; who connects anew is served."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def abandon(self) -> None:
        """The client is gone and the upstream is not told: its side stays open and nobody reads or answers."""
        self.stall()
        for client, _ in self._pairs:
            _reset(client)

    def refuse(self) -> None:
        """Nobody listens at the port; what is open is cut."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    async def heal(self) -> None:
        self.flow()
        await self.listen()

    async def close(self) -> None:
        self.refuse()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


@asynccontextmanager
async def proxying(upstream_port: int, piece_bytes: int = 65_536) -> AsyncIterator[CuttingProxy]:
    proxy = CuttingProxy(upstream_port, piece_bytes)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()
