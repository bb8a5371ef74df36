"""Settings of the role `serve`: the table, and the frozen value that the composition root takes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from levain_contracts.claims import TrustedIssuer, parse_issuers
from levain_settings import Setting, load
from levain_settings.readers import Listen, choice, count, listen, seconds, text

MIB = 1024 * 1024

PREFIX_FOR_ALL = "*"
LOOPBACK = Listen("127.0.0.1", 0)


def uri_prefixes(value: str) -> dict[str, tuple[str, ...]]:
    """`{"tenant or *": ["https://host/path/", "s3://bucket/path/", "file:///folder/"]}`."""
    try:
        table = json.loads(value)
        prefixes = {str(tenant): tuple(str(p) for p in allowed) for tenant, allowed in table.items()}
    except (ValueError, AttributeError, TypeError):
        raise ValueError('expected JSON such as {"my-tenant": ["https://host/exports/"]}') from None
    for prefix in (p for allowed in prefixes.values() for p in allowed):
        if not prefix.startswith(("https://", "s3://", "file:///")) or not prefix.endswith("/"):
            raise ValueError(f"the prefix {prefix!r} must start with https://, s3:// or file:/// and end with /")
    return prefixes


def time_zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("expected the IANA name of a time zone, such as Europe/Paris") from None


def broker_url(value: str) -> str:
    """The password may hold what must be percent-encoded, and an error shows none of it."""
    parts = urlsplit(value)
    if parts.scheme not in ("amqp", "amqps") or not parts.hostname:
        raise ValueError("expected an address such as amqp://user:password@host:5672/vhost")
    return value


# What a worker needs too: `worker_settings` has the rest of its table.
PROCESS_SETTINGS = (
    Setting(
        "LEVAIN_BROKER_URL",
        broker_url,
        None,
        "amqp://user:password@host:5672/vhost, or amqps://",
        "it holds a password, so it may come from a file; not set, the broker is in memory and one process serves and trains",
        from_file=True,
    ),
    Setting(
        "LEVAIN_BROKER_HEARTBEAT_SECONDS",
        seconds(1, 60),
        "5",
        "seconds",
        "what the broker goes by when it gives up a client; below 5 s RabbitMQ warns of false alarms on busy machines",
    ),
    Setting(
        "LEVAIN_BROKER_WATCHDOG_SECONDS",
        seconds(0.1, 600),
        "5",
        "seconds",
        "how often each session with the broker is asked whether it lives, with 2 s to answer: what is dead is left within 7 s",
    ),
    Setting(
        "LEVAIN_METRICS_LISTEN", listen, "0.0.0.0:9090", "host:port", "a port of its own, so that metrics never pass the gateway", off="off"
    ),
    Setting(
        "LEVAIN_CHILD_MEMORY_BYTES",
        count(64 * MIB, 2**40),
        str(2048 * MIB),
        "bytes",
        "a child process that needs more is ended and its work reported failed",
        off="off",
    ),
    Setting("LEVAIN_LOG_LEVEL", choice("debug", "info", "warning", "error"), "info", "a level", "one line an ended job or connection"),
)

DATABASE_URL = Setting(
    "LEVAIN_DATABASE_URL",
    text(),
    None,
    "sqlite:////data/levain.db or postgresql+psycopg://user:password@host/database",
    "the truth; it may hold a password, so it may come from a file; SQLite is for one replica",
    required=True,
    from_file=True,
)

MIGRATE_SETTINGS = (DATABASE_URL, PROCESS_SETTINGS[-1])

SETTINGS = (
    *PROCESS_SETTINGS,
    DATABASE_URL,
    Setting("LEVAIN_LISTEN", listen, "0.0.0.0:8000", "host:port", "where REST and live sockets are served to the gateway"),
    Setting(
        "LEVAIN_TRUSTED_ISSUERS",
        parse_issuers,
        None,
        "a JSON list of issuers",
        "the same list as the gateway's: tokens are verified twice",
        required=True,
        secret=True,
    ),
    Setting(
        "LEVAIN_TENANT_CLAIM",
        text(r"[A-Za-z0-9_:/.-]{1,100}", "a claim's name"),
        "tenant_id",
        "a claim's name",
        "what your identity provider calls it",
    ),
    Setting(
        "LEVAIN_URI_PREFIXES",
        uri_prefixes,
        "{}",
        "JSON: tenant (or *) to a list of prefixes",
        "datasets by URI are read with the service's own rights, so none is allowed by default",
    ),
    Setting("LEVAIN_SAMPLE", text(), None, "path of a CSV file", "offered to every tenant as the dataset `sample`"),
    Setting(
        "LEVAIN_MAX_DATASET_BYTES", count(1024, 2**32), str(128 * MIB), "bytes", "ten years of 1,000 products in CSV are about 100 MiB"
    ),
    Setting(
        "LEVAIN_TIME_ZONE",
        time_zone,
        None,
        "an IANA name such as Europe/Paris",
        "the zone of tenants whose jobs name none: their tills may write UTC; not set, dates count as they are written",
    ),
    Setting(
        "LEVAIN_BATCHES_OUT",
        count(1, 1000),
        "8",
        "batches of one job",
        "twice the workers of a small cluster; more would let one job hold up the others' work longer",
    ),
    Setting(
        "LEVAIN_BATCH_LEASE_SECONDS",
        seconds(5, 86_400),
        "900",
        "seconds",
        "far longer than a batch (about 30 s) and its wait in the queue; a lapsed batch is only sent twice",
    ),
    Setting(
        "LEVAIN_ANALYSTS",
        count(1, 64),
        "2",
        "datasets read at once",
        "with a second one a tenant's huge file doesn't hold up the small ones",
    ),
    Setting(
        "LEVAIN_ANALYSIS_LEASE_SECONDS",
        seconds(1, 3600),
        "30",
        "seconds",
        "renewed three times in it; when its replica died, another reads the dataset after so long",
    ),
    Setting("LEVAIN_ANALYSIS_SECONDS", seconds(1, 86_400), "300", "seconds", "a file of the largest size is read in a tenth of it"),
    Setting(
        "LEVAIN_VIEWER_BUDGET_BYTES",
        count(64 * 1024, 2**30),
        str(256 * 1024),
        "bytes",
        "about 500 frames; over it a viewer gets the newest only",
    ),
    Setting(
        "LEVAIN_SLOW_VIEWER_SECONDS", seconds(0.1, 3600), "15", "seconds", "a viewer that stays over its budget this long is cut off (4408)"
    ),
    Setting("LEVAIN_MAX_VIEWERS_PER_TENANT", count(1, 1_000_000), "2000", "connections", "one tenant can't take all sockets of a replica"),
    Setting(
        "LEVAIN_LEVEL_SECONDS",
        seconds(0.1, 60),
        "2",
        "seconds",
        "how often viewers are compared with the store: a lost last event is healed within 5 s",
    ),
    Setting("LEVAIN_RECONCILE_SECONDS", seconds(0.1, 3600), "5", "seconds", "how often lost work is looked for"),
    Setting(
        "LEVAIN_SETTLED_SECONDS",
        seconds(0, 3600),
        "5",
        "seconds",
        "what a job did more recently may still be on its way, and is not lost yet: twice what a publish and its mark may take",
    ),
    Setting(
        "LEVAIN_PING_SECONDS",
        seconds(1, 3600),
        "20",
        "seconds",
        "below the idle limit of common proxies (60 s); a missed pong ends the connection",
        off="off",
    ),
    Setting(
        "LEVAIN_DRAIN_SECONDS",
        seconds(0, 600),
        "4",
        "seconds",
        "the window over which viewers are sent away; with the rest of the shutdown below 10 s",
    ),
)


@dataclass(frozen=True)
class Settings:
    """Units and reasons are in `SETTINGS`; the defaults here are the same."""

    database_url: str
    issuers: tuple[TrustedIssuer, ...]
    listen: Listen = LOOPBACK
    metrics_listen: Listen | None = None
    broker_url: str | None = None
    broker_heartbeat_seconds: float = 5
    broker_watchdog_seconds: float = 5
    tenant_claim: str = "tenant_id"
    uri_prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sample_path: Path | None = None
    max_dataset_bytes: int = 128 * MIB
    time_zone: str | None = None
    batches_out: int = 8
    batch_lease_seconds: float = 900
    analysts: int = 2
    analysis_lease_seconds: float = 30
    analysis_seconds: float = 300
    child_memory_bytes: int | None = 2048 * MIB
    viewer_budget_bytes: int = 256 * 1024
    slow_viewer_seconds: float = 15
    max_viewers_per_tenant: int = 2000
    level_seconds: float = 2
    reconcile_seconds: float = 5
    settled_seconds: float = 5
    ping_seconds: float | None = 20
    drain_seconds: float = 4
    log_level: str = "info"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises `levain_settings.SettingsError`."""
    values: dict[str, Any] = load(SETTINGS, environment)
    named = {name.removeprefix("LEVAIN_").lower(): value for name, value in values.items()}
    sample = named.pop("sample")
    return Settings(issuers=named.pop("trusted_issuers"), sample_path=None if sample is None else Path(sample), **named)
