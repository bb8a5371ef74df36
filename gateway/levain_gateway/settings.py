"""The gateway's settings: one table, read from the environment by `__main__` alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from levain_contracts.claims import TrustedIssuer, parse_issuers
from levain_settings import Setting, SettingsError, load
from levain_settings.readers import Listen, choice, count, listen, seconds, text, url, words

SETTINGS = (
    Setting("LEVAIN_UPSTREAM_URL", url("http"), None, "http://host:port", "The training service.", required=True),
    Setting(
        "LEVAIN_TRUSTED_ISSUERS",
        parse_issuers,
        None,
        "a JSON list",
        "Whose tokens count: each issuer with its key (`secret`, `public_key` or `jwks_url`), tenants and roles.",
        required=True,
        from_file=True,
    ),
    Setting(
        "LEVAIN_TENANT_CLAIM",
        text(r"[A-Za-z0-9_.:/-]{1,100}", "the name of a claim"),
        "tenant_id",
        "name",
        "The claim that holds the tenant.",
    ),
    Setting("LEVAIN_LISTEN", listen, "0.0.0.0:8080", "host:port", "A pod is reached from outside; 8080 needs no privilege."),
    Setting(
        "LEVAIN_METRICS_LISTEN", listen, "0.0.0.0:9090", "host:port", "Apart from the API, so that no route can lay it open.", off="off"
    ),
    Setting(
        "LEVAIN_ALLOWED_ORIGINS",
        words(text(r"https?://[^/\s]{1,255}", "origins such as https://shop.example")),
        None,
        "origins, parted by commas",
        "Pages of other origins that may open sockets. The page that is served here needs no entry.",
    ),
    Setting("LEVAIN_STATIC_DIR", text(), None, "folder", "The built page; without it `/` only says what this is."),
    Setting(
        "LEVAIN_MAX_CONNECTIONS",
        count(1, 1_000_000),
        "20000",
        "live sockets",
        "Two file descriptors each: the hard limit of open files must allow 40,000.",
        off="off",
    ),
    Setting(
        "LEVAIN_MAX_CONNECTIONS_PER_TENANT",
        count(1, 1_000_000),
        "10000",
        "live sockets",
        "One tenant can't take every place; half is more than a bakery chain has screens.",
        off="off",
    ),
    Setting(
        "LEVAIN_DRAIN_SECONDS",
        seconds(0, 600),
        "5",
        "seconds",
        "Sockets end spread over it at SIGTERM; with 5 the process is gone within 10. 0 ends all at once.",
    ),
    Setting(
        "LEVAIN_IDLE_SECONDS", seconds(1, 3600), "60", "seconds", "An HTTP exchange without a byte in either direction ends: 408, or 504."
    ),
    Setting(
        "LEVAIN_LOG_LEVEL", choice("debug", "info", "warning", "error"), "info", "level", "At info one line for each live socket's end."
    ),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """None means off, or without a limit."""

    upstream: Listen
    listen: Listen
    issuers: tuple[TrustedIssuer, ...]
    tenant_claim: str = "tenant_id"
    metrics_listen: Listen | None = None
    allowed_origins: frozenset[str] = frozenset()
    static_dir: Path | None = None
    max_connections: int | None = 20_000
    max_connections_per_tenant: int | None = 10_000
    drain_seconds: float = 5.0
    idle_seconds: float = 60.0
    log_level: str = "info"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises `SettingsError`, whose text is one line."""
    values = load(SETTINGS, environment)
    static_dir = Path(values["LEVAIN_STATIC_DIR"]) if values["LEVAIN_STATIC_DIR"] is not None else None
    if static_dir is not None and not static_dir.is_dir():
        raise SettingsError(f"LEVAIN_STATIC_DIR ({str(static_dir)!r}): there is no such folder")
    return Settings(
        upstream=_upstream(values["LEVAIN_UPSTREAM_URL"]),
        issuers=values["LEVAIN_TRUSTED_ISSUERS"],
        tenant_claim=values["LEVAIN_TENANT_CLAIM"],
        listen=values["LEVAIN_LISTEN"],
        metrics_listen=values["LEVAIN_METRICS_LISTEN"],
        allowed_origins=frozenset(values["LEVAIN_ALLOWED_ORIGINS"] or ()),
        static_dir=static_dir,
        max_connections=values["LEVAIN_MAX_CONNECTIONS"],
        max_connections_per_tenant=values["LEVAIN_MAX_CONNECTIONS_PER_TENANT"],
        drain_seconds=values["LEVAIN_DRAIN_SECONDS"],
        idle_seconds=values["LEVAIN_IDLE_SECONDS"],
        log_level=values["LEVAIN_LOG_LEVEL"],
    )


def _upstream(address: str) -> Listen:
    parts = urlsplit(address)
    if parts.path or parts.hostname is None:
        raise SettingsError(f"LEVAIN_UPSTREAM_URL ({address!r}): expected http://host:port without a path")
    return Listen(parts.hostname, parts.port or 80)
