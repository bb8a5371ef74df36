"""The keys of issuers that publish them as a JWKS: fetched off the hot path, cached, asked for again with restraint.

`JwksCache.key_of` is the hook of `levain_contracts.claims.verify`; the fetch itself is in `levain_jwks.fetch`.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import jwt

from levain_contracts.claims import TokenRefused, TrustedIssuer, fixed_key

Fetch = Callable[[str], Awaitable[bytes]]
TTL_SECONDS = 300.0
COOLDOWN_SECONDS = 30.0  # a stranger may send any `kid`; that must not make us ask the issuer each time
_MAX_KEYS = 50
_MIN_RSA_BITS = 2048
_KTY_OF_ALGORITHM = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
_log = logging.getLogger(__name__)


class KeyNotKnown(TokenRefused):
    """The issuer's JWKS, as held by now, has no such key: `JwksCache.refresh(url)` may bring it."""

    def __init__(self, url: str) -> None:
        super().__init__("the token's key is not known")
        self.url = url


@dataclass
class _Entry:
    keys: list[jwt.PyJWK] = field(default_factory=list)
    tried_at: float = float("-inf")
    fetching: "asyncio.Task[None] | None" = None


class JwksCache:
    """Keys are kept when a fetch fails, so an issuer that is away refuses nobody whose key is known."""

    def __init__(self, issuers: Iterable[TrustedIssuer], fetch: Fetch, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries = {issuer.jwks_url: _Entry() for issuer in issuers if issuer.jwks_url is not None}
        self._fetch = fetch
        self._clock = clock

    def key_of(self, issuer: TrustedIssuer, kid: str | None) -> Any:
        """Raises `KeyNotKnown` where the issuer's JWKS has no key of this id and algorithm; without a `kid` it must have exactly one."""
        if issuer.jwks_url is None:
            return fixed_key(issuer, kid)
        fitting = [key for key in self._entries[issuer.jwks_url].keys if _fits(key, issuer.algorithm) and kid in (None, key.key_id)]
        if len(fitting) != 1:
            raise KeyNotKnown(issuer.jwks_url)
        return fitting[0].key

    async def refresh(self, url: str) -> bool:
        """Asks the issuer, once for all who wait; False when it was asked within the cooldown. Failures are logged, not raised."""
        entry = self._entries[url]
        if entry.fetching is None:
            if self._clock() - entry.tried_at < COOLDOWN_SECONDS:
                return False
            entry.tried_at = self._clock()
            entry.fetching = asyncio.create_task(self._fill(url, entry))
        await asyncio.shield(entry.fetching)  # a caller that goes away must not end the fetch of the others
        return True

    async def run(self) -> None:
        """Fetches all, then again each `TTL_SECONDS` (each `COOLDOWN_SECONDS` while there are no keys), until it is cancelled."""
        while True:
            for url in self._entries:
                await self.refresh(url)
            empty = any(not entry.keys for entry in self._entries.values())
            await asyncio.sleep(COOLDOWN_SECONDS if empty else TTL_SECONDS)

    async def _fill(self, url: str, entry: _Entry) -> None:
        try:
            entry.keys = parse(await self._fetch(url))
        except Exception as error:  # whatever an issuer's server does, the keys that are held stay
            _log.warning("the keys of an issuer can't be fetched", extra={"url": url, "error": f"{type(error).__name__}: {error}"[:300]})
        finally:
            entry.fetching = None


def parse(body: bytes) -> list[jwt.PyJWK]:
    """The usable signing keys. Raises ValueError when there is none; a key of another kind is passed over, as RFC 7517 §5 asks."""
    try:
        entries = json.loads(body)["keys"]
    except (ValueError, KeyError, TypeError):
        raise ValueError("the answer is no JWKS") from None
    keys = [key for entry in entries[:_MAX_KEYS] if (key := _key(entry)) is not None] if isinstance(entries, list) else []
    if not keys:
        raise ValueError("the JWKS has no usable key")
    return keys


def _key(entry: Any) -> jwt.PyJWK | None:
    try:
        if entry.get("use", "sig") != "sig" or entry["kty"] not in _KTY_OF_ALGORITHM.values():
            return None
        key = jwt.PyJWK(entry)
    except Exception:  # one broken entry must not cost the others
        return None
    return None if key.key_type == "RSA" and key.key.key_size < _MIN_RSA_BITS else key


def _fits(key: jwt.PyJWK, algorithm: str) -> bool:
    return key.key_type == _KTY_OF_ALGORITHM.get(algorithm) and key.algorithm_name == algorithm
