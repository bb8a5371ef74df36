"""The operator with a clock that a test sets: the file that `CLOCK` names holds the seconds by which it is ahead."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from levain_operator.__main__ import main

CLOCK = "LEVAIN_TEST_CLOCK"


def now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=float(Path(os.environ[CLOCK]).read_text() or 0))


if __name__ == "__main__":
    sys.exit(main(now))
