"""A viewer that is light: two hundred of them fit into a test."""

import asyncio
from dataclasses import dataclass, field

import aiohttp
from tests.training.harness import Client

from levain_contracts.closecodes import retry_ms


@dataclass
class Screen:
    """Keeps its last frame and how its connections ended. It comes back until one ended with the job."""

    client: Client
    codes: list[int | None] = field(default_factory=list)
    last: str = ""

    async def watch(self, job_id: str) -> None:
        while 1000 not in self.codes:
            pause_ms = 200
            try:
                async with self.client.live(job_id) as socket:
                    while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                        self.last = message.data
                    self.codes.append(socket.close_code)
                    if message.type is aiohttp.WSMsgType.CLOSE:
                        pause_ms = retry_ms(message.extra or "") or pause_ms
            except aiohttp.ClientConnectionError:
                pass  # nobody listens yet, or who did ends amid the request
            await asyncio.sleep(pause_ms / 1000)
