"""The edge to aio-pika: what it is asked has a time limit, and what it raises becomes one error that says why in one line."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiormq.exceptions import AMQPError, ChannelInvalidStateError, InvalidFrameError

from levain_broker.errors import BrokerUnavailable

# What one question to the broker may take; without a limit a half-open link answers after minutes.
ANSWER_SECONDS = 2.0

# A lost link raises what the moment gives: AMQP's own errors, the socket's, or "channel closed" as a RuntimeError.
DRIVER_ERRORS = (AMQPError, OSError, RuntimeError, ValueError)


@asynccontextmanager
async def asking(seconds: float = ANSWER_SECONDS) -> AsyncIterator[None]:
    """Whatever goes wrong within, time included, is `BrokerUnavailable`.

    A connection that is dead cancels all who wait for it; one that closes turns the cancellation of who waits into an error of its own;
    and Python 3.11's `wait_for`, within the driver, drops one that comes with its result (cpython#86296).
    So only the count of the task itself tells whether it is to end.
    """
    before = cancellations()
    try:
        async with asyncio.timeout(seconds):
            yield
    except (*DRIVER_ERRORS, asyncio.CancelledError) as error:
        if cancellations() > before:
            raise asyncio.CancelledError from error
        raise BrokerUnavailable(line(error)) from error
    if cancellations() > before:
        raise asyncio.CancelledError


def cancellations() -> int:
    """Of the task that asks, so far."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def line(error: BaseException) -> str:
    """Why, in one line, without anything secret."""
    if isinstance(error, TimeoutError) and not error.args:
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, (asyncio.CancelledError, ChannelInvalidStateError)):  # their text is an address in memory, if any
        return "the connection is gone"
    if isinstance(error, InvalidFrameError) and "OpenOk" in str(error):  # the driver leaves out what the broker says
        return "there is no such virtual host, or not for this user"
    return " ".join(str(part) for part in error.args if part is not None) or "the connection is gone"


def quieten_driver() -> None:
    """The driver logs each lost connection many times, with tracebacks; sessions say it once."""
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
