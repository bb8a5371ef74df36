"""The command `levain-operator`; the only reader of the environment in this deployable."""

import logging
import os
import sys
from collections.abc import Callable
from datetime import datetime

import uvloop

from levain_logs import configure
from levain_operator.settings import from_environment
from levain_settings import EXIT_CODE, SettingsError

log = logging.getLogger(__name__)


def main(now: Callable[[], datetime] | None = None) -> int:
    """`now`: another clock, for tests."""
    try:
        return _run(now)
    except SettingsError as error:
        sys.stderr.write(f"levain-operator: {error}\n")
        return EXIT_CODE


def _run(now: Callable[[], datetime] | None) -> int:
    settings = from_environment(os.environ)
    configure(settings.log_level)
    from levain_operator.leading import LostLease
    from levain_operator.operate import operate, utc_now

    try:
        uvloop.run(operate(settings, now=now or utc_now))
    except LostLease as lost:
        log.error("ending: another may lead by now", extra={"why": str(lost)})  # noqa: TRY400
        return 1
    except OSError as error:
        sys.stderr.write(f"levain-operator: can't listen where LEVAIN_METRICS_LISTEN says: {error.strerror}\n")
        return EXIT_CODE
    return 0


if __name__ == "__main__":
    sys.exit(main())
