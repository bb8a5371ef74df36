"""Where a command talks to and as whom: the address, the token and the tenant, checked before anything is sent."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from levain.errors import BadInput
from levain.proxies import proxy_for, without_credentials
from levain_contracts.ids import is_id

DEFAULT_TENANT = "demo"
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+\Z")


class Target(NamedTuple):
    """`url` has no trailing slash; `proxy` may hold credentials and is not to be shown."""

    url: str
    token: str
    tenant: str
    proxy: str | None = None

    @property
    def name(self) -> str:
        """For messages: where it is, and through which proxy."""
        return self.url if self.proxy is None else f"{self.url} through the proxy {without_credentials(self.proxy)}"


def target(url: str, token: str | None, tenant: str | None, environment: Mapping[str, str]) -> Target:
    """Raises `BadInput` that names what is wrong. Without `tenant` it is the token's."""
    url = _address(url)
    if not token:
        raise BadInput(f"{url} wants a token: give one by --token or LEVAIN_TOKEN (`levain token` signs one)")
    if not _TOKEN.match(token):
        raise BadInput("the token holds a character that no token has: give it without quotes or line breaks")
    return Target(url, token, checked_tenant(tenant or _tenant_of(token) or DEFAULT_TENANT), proxy_for(url, environment))


def checked_tenant(tenant: str) -> str:
    if not is_id(tenant):
        raise BadInput(f"--tenant {tenant!r}: a tenant has 1 to 63 lower-case letters, digits and dashes")
    return tenant


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not url.isascii() or any(c.isspace() for c in url):
        raise BadInput("--url (LEVAIN_URL) must look like https://levain.example.com")
    if parts.username is not None or parts.password is not None:
        raise BadInput("--url (LEVAIN_URL) must hold no credentials: give the token by --token or LEVAIN_TOKEN")
    return without_credentials(url)


def _tenant_of(token: str) -> str | None:
    """What the token itself claims; only the server's own check counts."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        tenant = claims["tenant_id"]
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None
    return tenant if isinstance(tenant, str) and is_id(tenant) else None
