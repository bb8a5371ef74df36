"""The built page: where `LEVAIN_STATIC_DIR` says (`off`: nowhere), else where `make demo` builds it in a checkout."""

from collections.abc import Mapping
from pathlib import Path

from levain.errors import WrongSettings

_BUILT_HERE = Path(__file__).resolve().parents[2] / "frontend" / "dist"


def page_folder(environment: Mapping[str, str]) -> Path | None:
    """None where there is none. Raises `WrongSettings`."""
    if (named := environment.get("LEVAIN_STATIC_DIR")) == "off":
        return None
    if named:
        if not Path(named).is_dir():
            raise WrongSettings(f"LEVAIN_STATIC_DIR ({named!r}): there is no such folder")
        return Path(named)
    return _BUILT_HERE if (_BUILT_HERE / "index.html").is_file() else None


def served(page: Path | None) -> dict[str, str]:
    """What a gateway finds in its environment."""
    return {} if page is None else {"LEVAIN_STATIC_DIR": str(page)}


def link(url: str, token: str) -> str:
    """The page takes the token out of it at once; what stands behind the `#` is sent to no server."""
    return f"{url}/#token={token}"
