"""The command `levain-gateway`: settings, signals, exit code."""

import asyncio
import logging
import os
import sys

import uvloop

from levain_asgi.process import raise_file_limit, until_asked_to_stop
from levain_gateway.server import GatewayServer
from levain_gateway.settings import Settings, from_environment
from levain_logs import configure
from levain_settings import EXIT_CODE, SettingsError

_log = logging.getLogger(__name__)


def main() -> int:
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"levain-gateway: {error}\n")
        return EXIT_CODE
    configure(settings.log_level)
    raise_file_limit()
    return uvloop.run(_run(settings))


async def _run(settings: Settings) -> int:
    asked = asyncio.create_task(until_asked_to_stop())
    server = GatewayServer(settings)
    try:
        await server.start()
    except OSError as error:
        listen = settings.listen
        sys.stderr.write(f"levain-gateway: can't listen on {listen.host}:{listen.port} or for metrics: {error.strerror}\n")
        return EXIT_CODE
    await asked
    _log.info("the gateway drains", extra={"seconds": settings.drain_seconds})
    await server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
