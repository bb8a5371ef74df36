"""The operator's settings as data; `__main__` reads them once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from levain_contracts.claims import Role, TrustedIssuer
from levain_settings import Setting, load
from levain_settings.readers import Listen, choice, count, listen, seconds, text, url

SETTINGS = (
    Setting(
        "LEVAIN_TRAINING_URL", url("http", "https"), None, "an address such as http://levain-training:8000", "who trains", required=True
    ),
    Setting(
        "LEVAIN_OPERATOR_SECRET",
        text(r"[^\s].{31,999}", "at least 32 characters"),
        None,
        "a text of at least 32 characters",
        "it signs the operator's own tokens: the training service trusts LEVAIN_OPERATOR_ISSUER with it, in the role operator",
        required=True,
        secret=True,
    ),
    Setting("LEVAIN_OPERATOR_ISSUER", text(r"\S{1,200}", "a name"), "levain-operator", "a name", "the issuer in these tokens"),
    Setting("LEVAIN_AUDIENCE", text(r"\S{1,200}", "a name"), "levain", "a name", "the audience in these tokens"),
    Setting(
        "LEVAIN_TENANT_CLAIM", text(r"[\w.:/-]{1,100}", "a claim's name"), "tenant_id", "a claim's name", "as the training service has it"
    ),
    Setting(
        "LEVAIN_STREAM_URL",
        url("wss", "ws"),
        "off",
        "an address such as wss://levain.example",
        "the gateway as viewers reach it; status.streamUrl begins with it",
        off="off",
    ),
    Setting(
        "LEVAIN_POLL_SECONDS", seconds(0.1, 60), "2", "seconds", "between two questions of what changed: viewers of kubectl see no faster"
    ),
    Setting(
        "LEVAIN_COMPARE_SECONDS", seconds(1, 3600), "60", "seconds", "between two comparisons by lists: what a lost event costs at most"
    ),
    Setting(
        "LEVAIN_STATUS_SECONDS", seconds(0, 60), "2", "seconds", "between two status writes of one job; its end does not wait for others"
    ),
    Setting(
        "LEVAIN_STATUS_WRITES_PER_SECOND",
        count(1, 1000),
        "20",
        "writes a second",
        "of all resources together: the API server gives a client that asks for more than its share a 429",
    ),
    Setting("LEVAIN_SERVICE_SECONDS", seconds(0.1, 60), "10", "seconds", "a call of the training service is given up then, and made again"),
    Setting(
        "LEVAIN_LEASE_NAMESPACE",
        text(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "a namespace's name"),
        "off",
        "a namespace's name",
        "where the Lease levain-operator is; `off`: this process leads without asking, and must be the only one",
        off="off",
    ),
    Setting(
        "LEVAIN_IDENTITY",
        text(r"\S{1,200}", "a name"),
        None,
        "a name",
        "who holds the Lease, such as the pod's name; the host's name and a random number when not set",
    ),
    Setting("LEVAIN_METRICS_LISTEN", listen, "0.0.0.0:9090", "host:port", "`/metrics`, `/healthz`, `/readyz`", off="off"),
    Setting("LEVAIN_LOG_LEVEL", choice("debug", "info", "warning", "error"), "info", "a level", "one line for each thing that went wrong"),
    Setting(
        "LEVAIN_KUBECONFIG",
        Path,
        "off",
        "a file",
        "how the API server is reached from outside of a cluster; `off`: by the pod's service account",
        off="off",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    training_url: str
    issuer: TrustedIssuer
    tenant_claim: str
    stream_url: str | None
    poll_seconds: float
    compare_seconds: float
    status_seconds: float
    status_writes_per_second: int
    service_seconds: float
    lease_namespace: str | None
    identity: str | None
    metrics_listen: Listen | None
    log_level: str
    kubeconfig: Path | None


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises `levain_settings.SettingsError`."""
    values = {name.removeprefix("LEVAIN_").lower(): value for name, value in load(SETTINGS, environment).items()}
    issuer = TrustedIssuer(
        issuer=values.pop("operator_issuer"),
        audience=values.pop("audience"),
        secret=SecretStr(values.pop("operator_secret")),
        roles=(Role.OPERATOR,),
    )
    return Settings(issuer=issuer, **values)
