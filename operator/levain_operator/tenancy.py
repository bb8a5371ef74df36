"""Whose a namespace is: its label `levain.dev/tenant`, else its name."""

from collections.abc import Mapping
from typing import NamedTuple

from levain_contracts.ids import ID_PATTERN, is_id
from levain_contracts.kubernetes.base import TENANT_LABEL


class NoTenant(NamedTuple):
    """The namespace names no tenant, and why."""

    message: str


def tenant_of(namespace: str, labels: Mapping[str, str]) -> str | NoTenant:
    tenant = labels.get(TENANT_LABEL, namespace)
    if is_id(tenant):
        return tenant
    return NoTenant(f"the namespace's label {TENANT_LABEL} is {tenant[:63]!r}, which is no id ({ID_PATTERN})")
