"""Which proxy leads to an address, from the environment's proxy variables. Pure.

aiohttp's own `trust_env` also reads ~/.netrc and then refuses our Authorization header, so it stays off.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit, urlunsplit

from levain.errors import BadInput


def proxy_for(url: str, environment: Mapping[str, str]) -> str | None:
    """The proxy for `url` (http or https), or None. One's own machine is never reached through one.

    Raises `BadInput` for a proxy that is no HTTP proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or _excluded(host, parts.port, _variable("no_proxy", environment)):
        return None
    proxy = _variable(f"{parts.scheme}_proxy", environment) or _variable("all_proxy", environment)
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in ("http", "https"):
        raise BadInput(f"the proxy {without_credentials(proxy)} is no HTTP proxy: set {parts.scheme}_proxy to one, or no_proxy={host}")
    return proxy


def without_credentials(url: str) -> str:
    """The address without user, password, query and fragment: fit to be shown."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit(SplitResult(parts.scheme, netloc, parts.path.rstrip("/"), "", ""))


def is_loopback(host: str) -> bool:
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _variable(name: str, environment: Mapping[str, str]) -> str:
    # Lower case first: HTTP_PROXY can come from a request's header where a web server starts us (CVE-2016-5385).
    return environment.get(name, environment.get(name.upper(), "")).strip()


def _excluded(host: str, port: int | None, no_proxy: str) -> bool:
    return any(_matches(host.lower(), port, entry.strip().lower()) for entry in no_proxy.split(",") if entry.strip())


def _matches(host: str, port: int | None, entry: str) -> bool:
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        pass
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit():
        entry = name
        if port != int(wanted):
            return False
    domain = entry.removeprefix("*").lstrip(".")
    return host == domain or host.endswith(f".{domain}")
