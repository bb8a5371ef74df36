"""What every connection of one gateway shares: its settings, its collaborators, and the decision about a request."""

from dataclasses import dataclass, field

from levain_contracts.claims import TokenRefused
from levain_gateway.access import Guarded, Local, Public, admit, examine
from levain_gateway.head import Head
from levain_gateway.metrics import Metrics
from levain_gateway.refusals import Refusal
from levain_gateway.registry import Tunnels
from levain_gateway.settings import Settings
from levain_jwks.verifier import TokenVerifier


@dataclass
class Gate:
    settings: Settings
    authenticator: TokenVerifier
    metrics: Metrics
    tunnels: Tunnels
    upstream_ready: bool = field(default=False)

    @property
    def ready(self) -> bool:
        return self.upstream_ready and not self.tunnels.draining

    async def decide(self, head: Head, *, websocket: bool) -> Local | Public | Guarded | Refusal:
        """`Guarded` only when its token was verified and may do this."""
        found = examine(head, websocket=websocket, allowed_origins=self.settings.allowed_origins)
        if not isinstance(found, Guarded):
            return found
        try:
            claims = await self.authenticator.claims_of(found.token)
        except TokenRefused:
            return Refusal.TOKEN_INVALID
        return admit(head.method, found, claims) or found
