"""An embedded stack that says its address and a token, and stops when its input ends."""

import asyncio
import sys
import tempfile
from pathlib import Path

import uvloop

import levain
from levain.embedded import running

SAMPLE = Path(levain.__file__).parent / "sample" / "bakery.csv"


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder), sample=SAMPLE) as stack:
            print(stack.url, stack.token("bench"), flush=True)
            await asyncio.to_thread(sys.stdin.readline)


uvloop.run(main())
