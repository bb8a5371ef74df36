"""An embedded stack with the built page for the tests in a browser: `python -m tests.page.stack [FOLDER]`.

Says where it is and what tokens are signed with in one line of JSON, and ends with its standard input.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

import uvloop

from levain.embedded import running
from levain.page import page_folder
from levain.shipped import SAMPLE
from levain_training.forecasting.testing import ALL_TRAINERS

SECRET = "a secret of the tests in a browser, long enough"


async def main(folder: Path) -> None:
    page = page_folder(os.environ)
    assert page is not None, "build the page first: npm run build"
    async with running(folder, secret=SECRET, sample=SAMPLE, page=page, workers=2) as stack:
        print(json.dumps({"url": stack.url, "secret": SECRET}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    os.environ["LEVAIN_EXTRA_TRAINERS"] = ALL_TRAINERS
    with tempfile.TemporaryDirectory(prefix="levain-page-") as made:
        uvloop.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else made)))
