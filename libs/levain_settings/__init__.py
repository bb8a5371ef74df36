"""Settings as data: each process declares its own as a table, and reads the environment once, in its `__main__`.

The same table is what the documentation lists (`rows`). Kubernetes injects `LEVAIN_<SERVICE>_PORT=tcp://…` and its like
into every pod, so no setting may have such a name.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

EXIT_CODE: Final = 78  # EX_CONFIG of sysexits.h
_NAME = re.compile(r"LEVAIN_[A-Z0-9_]+\Z")
_INJECTED = re.compile(r"LEVAIN_(\w+_)?(PORT|SERVICE_(HOST|PORT))(_\w+)?\Z")
_MAX_FILE_BYTES = 1024 * 1024


class SettingsError(Exception):
    """One line for whoever set it: the name, what is wrong, what would be right; never a secret's value."""


class Row(NamedTuple):
    name: str
    unit: str
    default: str
    off: str
    why: str


@dataclass(frozen=True)
class Setting:
    """`read` turns the text into a value and raises ValueError with what was expected.

    `default` is a text as it would stand in the environment, `None` where there is none: the value is then `None`, or an error where
    `required`. `off` is the word that switches the thing off: the value is then `None` too. A `secret` has no default, and so has a
    setting `from_file`; both may also come from the file that `<NAME>_FILE` names. A variable that is set to nothing counts as not set.
    """

    name: str
    read: Callable[[str], Any]
    default: str | None
    unit: str
    why: str
    off: str | None = None
    required: bool = False
    secret: bool = False
    from_file: bool = False

    def __post_init__(self) -> None:
        if not _NAME.match(self.name) or _INJECTED.match(self.name):
            raise ValueError(f"{self.name}: Kubernetes may inject a variable of this name")
        if (self.secret or self.from_file or self.required) and self.default is not None:
            raise ValueError(f"{self.name}: must have no default")


def load(settings: Iterable[Setting], environment: Mapping[str, str]) -> dict[str, Any]:
    """Every declared name with its value. Raises `SettingsError` at the first that is wrong; ignores names that are not declared."""
    return {setting.name: _value(setting, environment) for setting in settings}


def rows(settings: Iterable[Setting]) -> list[Row]:
    """The table for the documentation."""
    return [Row(_names(s), s.unit, s.default or ("required" if s.required else "not set"), s.off or "", s.why) for s in settings]


def markdown(settings: Iterable[Setting]) -> str:
    lines = ["| name | unit | default | off | why |", "|---|---|---|---|---|"]
    lines += [f"| `{r.name}` | {r.unit} | `{r.default}` | {f'`{r.off}`' if r.off else ''} | {r.why} |" for r in rows(settings)]
    return "\n".join(lines) + "\n"


def _names(setting: Setting) -> str:
    return f"{setting.name}`, `{setting.name}_FILE" if setting.secret or setting.from_file else setting.name


def _value(setting: Setting, environment: Mapping[str, str]) -> Any:
    text = _text(setting, environment)
    if text is None:
        if setting.required:
            raise SettingsError(f"{setting.name} is not set: it needs {setting.unit}")
        return None
    if text == setting.off:
        return None
    try:
        return setting.read(text)
    except ValueError as error:
        given = "" if setting.secret or setting.from_file else f" ({text[:80]!r})"
        raise SettingsError(f"{setting.name}{given}: {error}") from None


def _text(setting: Setting, environment: Mapping[str, str]) -> str | None:
    text = environment.get(setting.name, "").strip()
    path = environment.get(f"{setting.name}_FILE", "").strip() if setting.secret or setting.from_file else ""
    if text and path:
        raise SettingsError(f"{setting.name} and {setting.name}_FILE are both set: keep one of them")
    if path:
        return _file(setting.name, Path(path))
    return text or setting.default


def _file(name: str, path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise SettingsError(f"{name}_FILE ({path}): the file is larger than {_MAX_FILE_BYTES} bytes")
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}_FILE ({path}): the file can't be read: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    if not text:
        raise SettingsError(f"{name}_FILE ({path}): the file is empty")
    return text
