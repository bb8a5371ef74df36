"""What watches, consumes and publishes have in common: a channel that is set up again and again, whatever becomes of it."""

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from typing import Any

from aio_pika.abc import AbstractChannel

from levain_broker.errors import BrokerUnavailable
from levain_broker.rabbit_driver import ANSWER_SECONDS, asking, cancellations, line
from levain_broker.rabbit_link import Link

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0

# How soon it is noticed that the broker takes messages again.
STOPPED_SECONDS = 0.5

# RabbitMQ's channels learn some 10 ms after its end that a queue is gone. One that finds it declared anew by then takes it for the same
# (`handle_consuming_queue_down_or_eol`): its consumer is not cancelled, and what it is handed gets lost on the way until the channel ends.
GONE_SECONDS = 1.0

log = logging.getLogger(__name__)


class Stopped(BrokerUnavailable):
    """The session lives, and the broker takes nothing from it for now."""


class Session(ABC):
    """`run` is for ever. `problem` is None while the session works; `sessions` counts how often it was set up.

    `what` says what it is for.
    """

    def __init__(self, link: Link, what: str, watchdog_seconds: float) -> None:
        self._link, self.what, self._watchdog_seconds = link, what, watchdog_seconds
        self._over: asyncio.Future[Any] | None = None
        self._doubt = asyncio.Event()
        self._told: str | None = None
        self._rest_seconds = 0.0
        self.problem: str | None = f"{what}: not connected yet"
        self.sessions = 0

    @abstractmethod
    async def begin(self, channel: AbstractChannel) -> None:
        """Sets everything up. What it raises ends the attempt."""

    @abstractmethod
    async def check(self, channel: AbstractChannel) -> None:
        """Asks the broker something, within `ANSWER_SECONDS`. What it raises ends the session and its connection."""

    def lost(self) -> None:  # noqa: B027  # what only publishes has nothing in hand
        """What was handed over and is not settled is the broker's again."""

    def options(self) -> dict[str, Any]:
        """Of its channel."""
        return {}

    async def run(self) -> None:
        pause_seconds = FIRST_PAUSE_SECONDS
        while not cancellations():  # the driver may have made an error of one
            before = self.sessions
            try:
                async with self._link.channel(**self.options()) as channel:
                    why = await self._live(channel)
            except BrokerUnavailable as error:
                why = str(error)
            except Exception as error:
                why = line(error)
                if self._told != self._named(why):
                    log.exception("a broker session failed as was not foreseen; it is set up again")
            finally:
                self.lost()
            self._tell(self._named(why))
            pause_seconds = FIRST_PAUSE_SECONDS if self.sessions > before else min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(self._rest_seconds + pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311  # spreads load, hides nothing
            self._rest_seconds = 0.0

    async def _live(self, channel: AbstractChannel) -> str:
        """Returns why the session is over."""
        underlay = await channel.get_underlay_channel()
        self._over = over = asyncio.get_running_loop().create_future()
        underlay.on_consumer_cancel_callbacks.add(lambda _: self.queue_gone("the broker cancelled the consumer: its queue is gone"))
        closing = underlay.closing
        closing.add_done_callback(lambda done: self.end(_why_closed(done)))
        async with asking(2 * ANSWER_SECONDS):
            await self.begin(channel)
        self.sessions += 1
        self._doubt.set()
        return await self._watch(channel, over)

    async def _watch(self, channel: AbstractChannel, over: "asyncio.Future[Any]") -> str:
        while not over.done():
            waking: asyncio.Future[Any] = asyncio.create_task(self._doubt.wait())
            try:
                seconds = self._watchdog_seconds if self.problem is None else min(self._watchdog_seconds, STOPPED_SECONDS)
                await asyncio.wait((over, waking), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waking.cancel()
            self._doubt.clear()
            if not over.done():
                await self._checked(channel)
        return str(over.result())

    async def _checked(self, channel: AbstractChannel) -> None:
        try:
            async with asking():
                await self.check(channel)
        except Stopped as error:
            return self._tell(self._named(str(error)))
        except BrokerUnavailable as error:
            self._link.drop()
            raise BrokerUnavailable(f"the link is dead: {error}") from error
        return self._tell(None)

    def end(self, why: str) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(why)

    def queue_gone(self, why: str) -> None:
        """The next session declares it, where this user may, after `GONE_SECONDS`."""
        self._rest_seconds = GONE_SECONDS
        self.end(why)

    def doubt(self, why: str) -> None:
        """Checks now and not only at the watchdog's next turn; until then there is a problem."""
        if self.problem is None:
            self._tell(self._named(why))
        self._doubt.set()

    def _named(self, why: str) -> str:
        return f"{self.what}: {why}"

    def _tell(self, problem: str | None) -> None:
        """Once for each change: a broker that is away for an hour is one line."""
        self.problem = problem
        if problem != self._told:
            self._told = problem
            if problem is None:
                log.info("broker session begun", extra={"session": self.what})
            else:
                log.warning("no broker session: %s", problem)


def _why_closed(closing: "asyncio.Future[Any]") -> str:
    error = None if closing.cancelled() else closing.exception()
    return "the connection was closed" if error is None else line(error)
