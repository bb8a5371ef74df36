"""What ended unasked is started again, as Kubernetes would."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from levain.errors import CommandFailed
from levain.scaled.program import Program

_POLL_SECONDS = 0.2
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0

Say = Callable[[str], None]


async def keep(program: Program, launch: Callable[[], None], until_ready: Callable[[], Awaitable[None]], say: Say) -> None:
    """For ever. The pauses grow while it ends soon after each start."""
    loop = asyncio.get_running_loop()
    pause_seconds, since = _FIRST_PAUSE_SECONDS, loop.time()
    while True:
        while program.running:
            await asyncio.sleep(_POLL_SECONDS)
        lasted = loop.time() - since > _LONGEST_PAUSE_SECONDS
        pause_seconds = _FIRST_PAUSE_SECONDS if lasted else min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        jittered_seconds = pause_seconds * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, hides nothing
        say(f"{program.name} {program.how_it_ended()}; it starts again in {jittered_seconds:.1f} s")
        await asyncio.sleep(jittered_seconds)
        since = loop.time()
        launch()
        try:
            await until_ready()
            say(f"{program.name} is ready again, as process {program.pid}")
        except CommandFailed as error:
            say(str(error))
