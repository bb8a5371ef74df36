"""A broker that nobody runs: needs none."""

import asyncio
import gc

from levain.scaled.ports import free_port
from levain_broker.errors import BrokerUnavailable
from levain_broker.rabbit_driver import quieten_driver
from levain_broker.rabbit_link import Link, Options


def test_a_connection_that_never_came_about_leaves_nothing_to_close_to_whatever_thread_collects_it() -> None:
    """Else the driver's finalizer makes a coroutine that nobody awaits: a warning, which is an error here."""
    options = Options(f"amqp://guest:guest@127.0.0.1:{free_port()}/", "refused", 10, 2, 100, 1000, 100)
    quieten_driver()  # else what it logs holds the traceback too
    refused: list[BrokerUnavailable] = []

    def forget() -> None:
        refused.clear()  # its traceback holds the connection
        gc.collect()

    async def scenario() -> None:
        try:
            async with Link(options, "publishing").channel():
                pass
        except BrokerUnavailable as error:
            refused.append(error)
        assert refused
        await asyncio.to_thread(forget)

    asyncio.run(scenario())
