"""Servers that run already: their addresses as people write them, and whether anything answers there."""

import asyncio
from urllib.parse import SplitResult, urlsplit

from levain.errors import BadInput, ContactLost

_CONNECT_SECONDS = 5.0
_POSTGRES = "postgresql+psycopg"


async def broker_that_answers(url: str) -> str:
    """Raises `BadInput`, or `ContactLost` where nobody listens. No message shows the password."""
    parts = _parts(url, "--broker-url", "amqp://user:password@host:5672/vhost")
    if parts.scheme not in ("amqp", "amqps"):
        raise BadInput("--broker-url must begin with amqp:// or amqps://")
    await _reach(parts, 5671 if parts.scheme == "amqps" else 5672, "RabbitMQ", "--broker-url")
    return url


async def database_that_answers(url: str) -> str:
    """For SQLAlchemy. Raises as `broker_that_answers`."""
    parts = _parts(url, "--database-url", "postgresql://user:password@host/database")
    if parts.scheme not in ("postgres", "postgresql", _POSTGRES):
        raise BadInput("--database-url must begin with postgresql://: several replicas share it")
    await _reach(parts, 5432, "PostgreSQL", "--database-url")
    return f"{_POSTGRES}{url.removeprefix(parts.scheme)}"


def _parts(url: str, option: str, example: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadInput(f"{option} must look like {example}")
    return parts


async def _reach(parts: SplitResult, default_port: int, what: str, option: str) -> None:
    host, port = parts.hostname, parts.port or default_port
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except (OSError, TimeoutError) as error:
        why = getattr(error, "strerror", None) or "no answer in time"
        raise ContactLost(f"no {what} at {host}:{port} ({option}): {why}") from None
