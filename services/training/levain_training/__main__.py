"""The command `levain-training`: roles `serve`, `worker` and `migrate`; the only reader of the environment in this deployable."""

import errno
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import uvloop

from levain_asgi.process import raise_file_limit
from levain_logs import configure
from levain_settings import EXIT_CODE, SettingsError, load
from levain_training import settings, worker_settings

_CANT_LISTEN = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)


def main() -> int:
    role = sys.argv[1] if len(sys.argv) == 2 else ""
    if role not in ROLES:
        sys.stderr.write(f"usage: levain-training {'|'.join(ROLES)}\n")
        return 2
    try:
        return ROLES[role](os.environ)
    except SettingsError as error:
        sys.stderr.write(f"levain-training: {error}\n")
        return EXIT_CODE


def _serve(environment: Mapping[str, str]) -> int:
    values, worker_values = settings.from_environment(environment), worker_settings.from_environment(environment)
    configure(values.log_level)
    from levain_training.serve import serve

    return _run(serve(values, worker_values))


def _work(environment: Mapping[str, str]) -> int:
    values = worker_settings.from_environment(environment)
    if values.broker_url is None:
        raise SettingsError("LEVAIN_BROKER_URL is not set: a worker needs a broker that other processes reach")
    configure(values.log_level)
    from levain_training.work import work

    return _run(work(values))


def _migrate(environment: Mapping[str, str]) -> int:
    values = load(settings.MIGRATE_SETTINGS, environment)
    configure(values["LEVAIN_LOG_LEVEL"])
    from levain_training.store.engine import make_engine, migrate

    engine = make_engine(values["LEVAIN_DATABASE_URL"])
    migrate(engine)
    engine.dispose()
    return 0


def _run(process: Coroutine[Any, Any, None]) -> int:
    raise_file_limit()
    try:
        uvloop.run(process)
    except OSError as error:
        if error.errno not in _CANT_LISTEN and not isinstance(error, socket.gaierror):
            raise
        sys.stderr.write(f"levain-training: can't listen where LEVAIN_LISTEN or LEVAIN_METRICS_LISTEN says: {error.strerror}\n")
        return EXIT_CODE
    return 0


ROLES: dict[str, Callable[[Mapping[str, str]], int]] = {"serve": _serve, "worker": _work, "migrate": _migrate}


if __name__ == "__main__":
    sys.exit(main())
