"""Who is asking: the gateway verified the token, and here it is verified again with the same code (defence in depth)."""

from collections.abc import Sequence

from levain_contracts.claims import Claims, TokenRefused
from levain_jwks.verifier import TokenVerifier

_SCHEME = "bearer "


class NotAuthenticated(Exception):
    """No token, two tokens, or one that proves nothing."""


class Authenticator:
    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def claims(self, authorization: Sequence[str]) -> Claims:
        """The claims of the one `Authorization: Bearer` header. Raises `NotAuthenticated`."""
        if len(authorization) != 1 or not authorization[0].lower().startswith(_SCHEME):
            raise NotAuthenticated("give exactly one Authorization header: Bearer and a token")
        try:
            return await self._verifier.claims_of(authorization[0][len(_SCHEME) :].strip())
        except TokenRefused as error:
            raise NotAuthenticated(str(error)) from None
