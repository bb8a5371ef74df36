"""Live socket and REST -> the viewer's state: the loop that connects, joins frames, closes gaps and comes back after a cut."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import aiohttp

from levain.client import Api, describe
from levain.contact import Contact
from levain.errors import BadInput, ContactLost
from levain.problems import Passing
from levain.reactions import Reaction, Then, reaction, reaction_to_status
from levain_contracts import frames
from levain_contracts.viewer import ViewerState, apply, close_gap

PING = '{"type":"ping"}'
PING_AFTER_SECONDS = 15.0  # of silence
DEAD_AFTER_SECONDS = 25.0
LAST_FRAME_SECONDS = 2.0  # after a snapshot of an ended job its terminal frame follows at once
GAP_SECONDS = 1.0
READ_EVERY_SECONDS = 5.0
_BEAT_SECONDS = 0.1


class View(Protocol):
    """What is shown of a job. Called on the loop; each call is short."""

    def heard(self, text: str, state: ViewerState) -> None:
        """A frame as it was received (of an unknown type too), and the state after it."""

    def beat(self, state: ViewerState) -> None:
        """Called ten times a second after the first frame, and whenever the state changed without one."""

    def note(self, line: str) -> None:
        """One line about the connection."""


class GapWatch(NamedTuple):
    """When a closing read is due: a gap that stood still for `GAP_SECONDS`, and the last read `READ_EVERY_SECONDS` ago."""

    closed_seq: int = -1
    since: float = 0.0
    read_at: float = float("-inf")

    def seen(self, state: ViewerState, now: float) -> "GapWatch":
        if state.gap and state.closed_seq == self.closed_seq:
            return self
        return self._replace(closed_seq=state.closed_seq if state.gap else -1, since=now)

    def due(self, now: float) -> bool:
        return self.closed_seq >= 0 and now - self.since >= GAP_SECONDS and now - self.read_at >= READ_EVERY_SECONDS


class LiveJob:
    """One viewer of one job. `run` may be called once."""

    def __init__(self, api: Api, job_id: str, view: View, contact: Contact, *, now: Callable[[], float] = time.monotonic) -> None:
        self.state = ViewerState()
        self._api, self._job_id, self._view, self._contact, self._now = api, job_id, view, contact, now
        self._gap = GapWatch()
        self._heard_at = now()
        self._pinged = False
        self._connected = False  # a frame came since the last cut
        self._known = False  # a frame came at all

    async def run(self) -> ViewerState:
        """The state after the job's end, every product's end included. Raises `BadInput` or `ContactLost`."""
        while not self.state.ended:
            ending = await self._follow()
            if not self.state.ended:
                await self._wait(ending)
        await self._read(patient=True)
        return self.state

    async def _follow(self) -> Reaction:
        """One connection, from its opening to its end."""
        try:
            async with self._api.live(self._job_id) as socket:
                self._heard_at, self._pinged = self._now(), False
                duties = asyncio.create_task(self._attend(socket))
                try:
                    ending = await self._listen(socket)
                finally:
                    duties.cancel()
                    await asyncio.wait({duties})
                    if not duties.cancelled() and (error := duties.exception()):
                        raise error
                return ending
        except aiohttp.WSServerHandshakeError as error:
            return reaction_to_status(error.status)
        except (aiohttp.ClientError, OSError) as error:
            return reaction(None)._replace(line=describe(error, self._api.target))

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> Reaction:
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                if self._hear(message.data):
                    return reaction(1000)
            elif message.type is aiohttp.WSMsgType.CLOSE:
                return reaction(message.data, message.extra or "")
            elif message.type is not aiohttp.WSMsgType.BINARY:
                return reaction(None)

    def _hear(self, text: str) -> bool:
        """True for the terminal frame: none comes after it."""
        self._heard_at, self._pinged = self._now(), False
        self._contact.heard()
        if text == frames.PONG:
            return False
        frame = frames.decode(text)
        if frame is not None and frame.job_id == self._job_id:
            self._connected = self._known = True
            self.state = apply(self.state, frame)
            self._gap = self._gap.seen(self.state, self._now())
        self._view.heard(text, self.state)
        return frame is not None and frame.terminal

    async def _attend(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Pings, closing reads and the view's beat, beside the reader; ends the socket when its peer is dead."""
        try:
            while True:
                await asyncio.sleep(_BEAT_SECONDS)
                self._beat()
                silent = self._now() - self._heard_at
                if silent > (LAST_FRAME_SECONDS if self.state.ended else DEAD_AFTER_SECONDS):
                    return
                if silent > PING_AFTER_SECONDS and not self._pinged:
                    self._pinged = True
                    await socket.send_str(PING)
                if self._gap.due(self._now()):
                    await self._read(patient=False)
        finally:
            await socket.close()

    def _beat(self) -> None:
        if self._known:
            self._view.beat(self.state)

    async def _read(self, *, patient: bool) -> None:
        self._gap = self._gap._replace(read_at=self._now())
        try:
            seq, ends = await self._api.ends_after(self._job_id, self.state.closed_seq, patient=patient)
        except Passing:
            return
        self.state = close_gap(self.state, seq, ends)
        self._gap = self._gap.seen(self.state, self._now())
        self._beat()

    async def _wait(self, ending: Reaction) -> None:
        if ending.then is Then.STOP:
            # Before the first contact the request was wrong; after it, the job goes on without us.
            raise ContactLost(ending.line) if self._known else BadInput(ending.line)
        pause = self._contact.pause_seconds(ending.line, ending.pause_seconds)
        if self._connected:
            self._connected = False
            self._view.note(f"contact lost: {ending.line}; trying again")
        until = self._now() + pause
        while (left := until - self._now()) > 0:
            await asyncio.sleep(min(left, _BEAT_SECONDS))
            self._beat()
