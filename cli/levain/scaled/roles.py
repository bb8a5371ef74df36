"""How the processes of each role are started: their command lines, and what they find in their environment."""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from levain_contracts.claims import TrustedIssuer

COMMANDS: Mapping[str, Sequence[str]] = {
    "gateway": ("-m", "levain_gateway"),
    "replica": ("-m", "levain_training", "serve"),
    "worker": ("-m", "levain_training", "worker"),
}
# All else that stands in our own environment, settings above all, is none of theirs.
_INHERITED = ("PATH", "HOME", "LANG", "PYTHONPATH", "LEVAIN_EXTRA_TRAINERS")

# The address that a member of this name is given.
AddressOf = Callable[[str], str]


class Common(NamedTuple):
    """What the processes of a stack agree on."""

    broker_url: AddressOf
    database_url: AddressOf
    issuers: Iterable[TrustedIssuer]
    workers: int
    sample: Path | None


def environment_of(role: str, name: str, common: Common) -> dict[str, str]:
    return {key: os.environ[key] for key in _INHERITED if key in os.environ} | _SETTINGS[role](name, common)


def _gateway(_: str, common: Common) -> dict[str, str]:
    return {"LEVAIN_TRUSTED_ISSUERS": _issuers(common)}


def _replica(name: str, common: Common) -> dict[str, str]:
    settings = {
        "LEVAIN_BROKER_URL": common.broker_url(name),
        "LEVAIN_DATABASE_URL": common.database_url(name),
        "LEVAIN_TRUSTED_ISSUERS": _issuers(common),
        "LEVAIN_BATCHES_OUT": str(2 * max(common.workers, 1)),  # one at work and one in the queue for each
    }
    return settings | ({"LEVAIN_SAMPLE": str(common.sample)} if common.sample else {})


def _worker(name: str, common: Common) -> dict[str, str]:
    return {"LEVAIN_BROKER_URL": common.broker_url(name), "LEVAIN_WORKER_SLOTS": "1"}


_SETTINGS: Mapping[str, Callable[[str, Common], dict[str, str]]] = {"gateway": _gateway, "replica": _replica, "worker": _worker}


def _issuers(common: Common) -> str:
    trusted = []
    for issuer in common.issuers:
        assert issuer.secret is not None
        trusted.append({"issuer": issuer.issuer, "secret": issuer.secret.get_secret_value(), "roles": issuer.roles})
    return json.dumps(trusted)
