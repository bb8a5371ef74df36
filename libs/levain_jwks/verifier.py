"""From a token to its claims, the same in gateway and training service; where an issuer's key is not known yet, it is asked for once."""

import time
from collections.abc import Callable, Sequence

from levain_contracts.claims import Claims, TrustedIssuer, verify
from levain_jwks import Fetch, JwksCache, KeyNotKnown
from levain_jwks.fetch import HttpsFetch


class TokenVerifier:
    """`fetch` replaces the https fetch of JWKS. `run` belongs in a task; call `close` when it has ended."""

    def __init__(
        self, issuers: Sequence[TrustedIssuer], *, tenant_claim: str, fetch: Fetch | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._issuers = issuers
        self._tenant_claim = tenant_claim
        self._now = now
        self._fetch = HttpsFetch()
        self._jwks = JwksCache(issuers, fetch or self._fetch)

    async def claims_of(self, token: str) -> Claims:
        """Waits for I/O only when the issuer's keys may have changed. Raises `levain_contracts.claims.TokenRefused`."""
        try:
            return self._verify(token)
        except KeyNotKnown as unknown:
            if not await self._jwks.refresh(unknown.url):
                raise
        return self._verify(token)

    def _verify(self, token: str) -> Claims:
        return verify(token, self._issuers, tenant_claim=self._tenant_claim, key_of=self._jwks.key_of, now=self._now)

    async def run(self) -> None:
        """Keeps the keys fresh, until it is cancelled."""
        await self._jwks.run()

    async def close(self) -> None:
        await self._fetch.close()
