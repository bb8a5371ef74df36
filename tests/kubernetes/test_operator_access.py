"""For whom the operator speaks, and what the cluster lets it do."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from levain_contracts.claims import LEEWAY_SECONDS, Role, TokenRefused, TrustedIssuer, verify
from levain_contracts.ids import is_id
from levain_operator.tenancy import NoTenant, tenant_of
from levain_operator.tokens import LIFETIME_SECONDS, OperatorTokens

NOW = 1_800_000_000.0
ISSUER = TrustedIssuer(issuer="operator", secret=SecretStr("s" * 32), roles=(Role.OPERATOR,))
RBAC = Path(__file__).parents[2] / "charts" / "levain" / "files" / "rbac" / "operator.yaml"


def test_a_token_is_of_the_role_operator_for_its_tenant_and_lives_a_minute() -> None:
    tokens = OperatorTokens(ISSUER, lambda: NOW)
    claims = verify(tokens.for_tenant("corner-bakery"), [ISSUER], now=lambda: NOW)
    assert (claims.tenant_id, claims.subject, claims.role) == ("corner-bakery", "levain-operator", Role.OPERATOR)
    assert claims.expires_at == NOW + LIFETIME_SECONDS == NOW + 60
    assert claims.may_train
    with pytest.raises(TokenRefused, match="expired"):
        verify(tokens.for_tenant("corner-bakery"), [ISSUER], now=lambda: NOW + LIFETIME_SECONDS + LEEWAY_SECONDS)


def test_each_token_is_of_its_own_time_and_the_tenants_claim_may_have_another_name() -> None:
    times = iter([NOW, NOW + 10])
    tokens = OperatorTokens(ISSUER, lambda: next(times), tenant_claim="org")
    first, second = tokens.for_tenant("a"), tokens.for_tenant("a")
    assert first != second
    assert verify(first, [ISSUER], tenant_claim="org", now=lambda: NOW).tenant_id == "a"


def test_the_token_across_tenants_is_one_of_the_role_operator() -> None:
    claims = verify(OperatorTokens(ISSUER, lambda: NOW).across_tenants(), [ISSUER], now=lambda: NOW)
    assert (claims.role, is_id(claims.tenant_id)) == (Role.OPERATOR, True)


def test_an_issuer_that_lends_no_operators_refuses_the_token() -> None:
    plain = ISSUER.model_copy(update={"roles": (Role.VIEWER, Role.TRAINER)})
    with pytest.raises(TokenRefused, match="role"):
        verify(OperatorTokens(ISSUER, lambda: NOW).for_tenant("a"), [plain], now=lambda: NOW)


def test_an_issuer_without_a_secret_can_not_sign() -> None:
    remote = TrustedIssuer(issuer="x", algorithm="RS256", jwks_url="https://id.example/jwks")
    with pytest.raises(ValueError, match="no secret"):
        OperatorTokens(remote, lambda: NOW)


def test_the_tenant_is_the_namespaces_label_else_its_name() -> None:
    assert tenant_of("bakery", {}) == "bakery"
    assert tenant_of("bakery", {"levain.dev/tenant": "corner"}) == "corner"
    assert tenant_of("bakery", {"tenant": "other"}) == "bakery"


@pytest.mark.parametrize("label", ["", "Corner", "a.b", "a_b", "-a", "a" * 64, "a\n"])
def test_a_label_that_is_no_id_is_no_tenant_and_the_name_does_not_stand_in(label: str) -> None:
    refused = tenant_of("bakery", {"levain.dev/tenant": label})
    assert isinstance(refused, NoTenant)
    assert "levain.dev/tenant" in refused.message


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True))
def test_every_name_of_a_namespace_is_a_tenant(namespace: str) -> None:
    assert tenant_of(namespace, {}) == namespace


def rules(kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RBAC.read_text(encoding="utf-8"))[kind]
    return found


def granted(kind: str) -> set[tuple[str, str, str]]:
    return {(g, r, v) for rule in rules(kind) for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}


def test_the_operator_may_do_what_it_does_and_nothing_else() -> None:
    ours = {("levain.dev", r, v) for r in ("trainingjobs", "trainingschedules") for v in ("list", "watch")}
    assert granted("clusterRole") == ours | {
        ("levain.dev", "trainingjobs", "get"),
        ("levain.dev", "trainingjobs", "create"),
        ("levain.dev", "trainingjobs", "delete"),
        ("levain.dev", "trainingjobs/status", "patch"),
        ("levain.dev", "trainingschedules/status", "patch"),
        ("", "namespaces", "list"),
        ("", "namespaces", "watch"),
        ("", "events", "create"),
    }
    assert granted("role") == {("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "update")}


def test_no_rule_has_a_wildcard_a_secret_or_a_lease_of_someone_else() -> None:
    for rule in rules("clusterRole") + rules("role"):
        assert set(rule) <= {"apiGroups", "resources", "resourceNames", "verbs"}
        assert not [value for values in rule.values() for value in values if "*" in value or "secret" in value]
    for rule in rules("role"):
        assert rule["verbs"] == ["create"] or rule["resourceNames"] == ["levain-operator"]
