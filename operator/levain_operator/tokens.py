"""The operator's own short-lived tokens: it is a trusted issuer of the training service, with the role `operator`."""

from collections.abc import Callable

from levain_contracts.claims import Role, TrustedIssuer, sign

LIFETIME_SECONDS = 60  # one call and its retries by the HTTP client; a token that leaks is soon worth nothing
SUBJECT = "levain-operator"
ACROSS_TENANTS = "levain-operator"  # a token names a tenant always; the role, not this, is what may ask across all


class OperatorTokens:
    """`now` gives Unix seconds. Each token is made for its call, so that none is held longer than its use."""

    def __init__(self, issuer: TrustedIssuer, now: Callable[[], float], tenant_claim: str = "tenant_id") -> None:
        if issuer.secret is None:
            raise ValueError(f"issuer {issuer.issuer!r} has no secret to sign with")
        self._issuer = issuer
        self._now = now
        self._tenant_claim = tenant_claim

    def for_tenant(self, tenant_id: str) -> str:
        return sign(
            self._issuer,
            tenant_id=tenant_id,
            subject=SUBJECT,
            role=Role.OPERATOR,
            lifetime_seconds=LIFETIME_SECONDS,
            tenant_claim=self._tenant_claim,
            now=self._now,
        )

    def across_tenants(self) -> str:
        return self.for_tenant(ACROSS_TENANTS)
