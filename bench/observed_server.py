"""Two services in one process, one with metrics and logs and one without. Told bursts and events, it tells the CPU seconds of each block.

Events go to one of them and to the other in turn, in short blocks: what else the machine does weighs on both.
"""

import asyncio
import json
import logging
import os
import sys
import time
from contextlib import AsyncExitStack

import uvloop

from bench.live_service import Live, event, live_service
from bench.unobserved import silent
from levain_logs import configure
from levain_training.metrics import Metrics

_PAUSE_SECONDS = 0.012  # longer than the moment in which the service joins frames
_SETTLE_SECONDS = 0.05  # what is buffered still costs


async def serve() -> None:
    with open(os.devnull, "w") as nowhere:
        configure("info", nowhere)  # as in production
        await serve_both()


async def serve_both() -> None:
    async with AsyncExitStack() as running:
        sides = {
            "with": await running.enter_async_context(live_service(Metrics())),
            "without": await running.enter_async_context(live_service(silent(Metrics))),
        }
        print(json.dumps([live.target._asdict() for live in sides.values()]), flush=True)
        while asked := await asyncio.to_thread(sys.stdin.readline):
            burst, events, blocks = map(int, asked.split())
            seconds: dict[str, list[float]] = {side: [] for side in sides}
            for i in range(blocks):
                for side in sorted(sides, reverse=bool(i % 2)):
                    logging.disable(logging.NOTSET if side == "with" else logging.CRITICAL)
                    seconds[side].append(await block(sides[side], events, burst))
            print(json.dumps(seconds), flush=True)


async def block(live: Live, events: int, burst: int) -> float:
    before = time.process_time()
    for i in range(events):
        await live.service.publisher.publish(event(i))
        # A broker hands over one event a turn of the loop.
        await asyncio.sleep(0 if (i + 1) % burst else _PAUSE_SECONDS)
    await asyncio.sleep(_SETTLE_SECONDS)
    return time.process_time() - before


uvloop.run(serve())
