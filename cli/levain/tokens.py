"""The embedded stack's one trusted issuer and the tokens that it signs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from levain.datadir import DataDir
from levain.errors import BadInput, WrongSettings
from levain_contracts.claims import MAX_LIFETIME_SECONDS, Role, TrustedIssuer, sign
from levain_settings import Setting, SettingsError, load
from levain_settings.readers import text

if TYPE_CHECKING:
    from collections.abc import Sequence

ISSUER = "levain"
MAX_SUBJECT_CHARS = 200
SETTINGS: "Sequence[Setting]" = (
    Setting(
        "LEVAIN_TOKEN_SECRET",
        text(r"[^\s].{31,999}", "at least 32 characters"),
        None,
        "a text of at least 32 characters",
        "`levain up` and `levain token` sign with it; without it they use the secret that `levain up` keeps in its data directory",
        secret=True,
    ),
)


def issuer_of(secret: str, *, name: str = ISSUER, roles: "Sequence[Role]" = (Role.VIEWER, Role.TRAINER)) -> TrustedIssuer:
    return TrustedIssuer.model_validate({"issuer": name, "secret": secret, "roles": roles})


def configured_secret(environment: Mapping[str, str]) -> str | None:
    """Raises `WrongSettings`."""
    try:
        secret: str | None = load(SETTINGS, environment)["LEVAIN_TOKEN_SECRET"]
    except SettingsError as error:
        raise WrongSettings(str(error)) from None
    return secret


def secret_to_sign_with(data_dir: DataDir, environment: Mapping[str, str]) -> str:
    """Raises `BadInput` when there is none."""
    secret = configured_secret(environment) or data_dir.secret()
    if secret is None:
        raise BadInput(
            f"there is no secret to sign with: start `levain up` first (it keeps one in {data_dir.path}), or set LEVAIN_TOKEN_SECRET"
        )
    return secret


def signed(issuer: TrustedIssuer, tenant: str, role: Role = Role.TRAINER, *, subject: str = "levain", hours: float = 24) -> str:
    return sign(issuer, tenant_id=tenant, subject=subject, role=role, lifetime_seconds=min(MAX_LIFETIME_SECONDS, round(hours * 3600)))
