"""Writes the tables of docs/operator.md from the models and the operator's words. With `--check` it exits 1 where one differs."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from scripts.drift import keep, with_blocks

from levain_contracts.kubernetes.training_job import TrainingJobSpec, TrainingJobStatus
from levain_contracts.kubernetes.training_schedule import TrainingScheduleSpec, TrainingScheduleStatus
from levain_operator.job_events import EVENT_REASONS
from levain_operator.reasons import MEANINGS, SCHEDULE_MEANINGS, Meaning
from levain_operator.schedule_plan import SCHEDULE_EVENT_REASONS

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "operator.md"
# A field of this model has a table of its own: the page links to it.
_ELSEWHERE = {"TrainingJobSpec": "as `spec` of a TrainingJob"}
Json = dict[str, Any]


def fields(model: type[BaseModel]) -> str:
    schema = model.model_json_schema(by_alias=True)
    lines = ["| field | type | default | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{path}` | {kind} | {default} | {meaning} |" for path, kind, default, meaning in _rows(schema, schema.get("$defs", {}), "")
    ]
    return "\n".join(lines) + "\n"


def _rows(schema: Json, definitions: Json, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in schema["properties"].items():
        kind = _resolved(field, definitions)
        default = "required" if name in schema.get("required", ()) else _default(field.get("default"))
        path = f"{prefix}{name}"
        shown, inner = _type(kind, definitions)
        meaning = field.get("description", "")
        if inner is not None and inner.get("title") in _ELSEWHERE:
            yield path, _ELSEWHERE[inner["title"]], default, meaning
            continue
        yield path, shown, default, meaning
        if inner is not None:
            yield from _rows(inner, definitions, f"{path}{'[]' if kind.get('type') == 'array' else ''}.")


def _resolved(field: Json, definitions: Json) -> Json:
    for option in field.get("anyOf", ()):
        if option != {"type": "null"}:
            return _resolved(option, definitions)
    found: Json = definitions[field["$ref"].rpartition("/")[2]] if "$ref" in field else field
    return found


def _default(value: Any) -> str:
    return "" if value in (None, "", []) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(kind: Json, definitions: Json) -> tuple[str, Json | None]:
    """The type in words, and the object that its fields are in."""
    match kind.get("type"):
        case "object":
            return "object", kind
        case "array":
            item = _resolved(kind["items"], definitions)
            shown, inner = _type(item, definitions)
            return f"list of at most {kind['maxItems']:,}: {shown}", inner
        case "integer":
            return f"integer, {kind['minimum']:,} to {kind['maximum']:,}", None
        case "string":
            return _string(kind), None
    return str(kind["type"]), None


def _string(kind: Json) -> str:
    if "enum" in kind:
        return "one of " + ", ".join(f"`{value}`" for value in kind["enum"])
    if kind.get("format") == "date-time":
        return "time"
    return f"string of at most {kind['maxLength']:,}" + (f", `{kind['pattern']}`" if "pattern" in kind else "")


def meanings(rows: Iterable[Meaning]) -> str:
    lines = ["| condition | status | reason | meaning |", "|---|---|---|---|"]
    lines += [f"| `{row.condition}` | {row.status} | {row.reason} | {row.meaning} |" for row in rows]
    return "\n".join(lines) + "\n"


def event_reasons() -> str:
    lines = ["| on a | reason | meaning |", "|---|---|---|"]
    lines += [f"| TrainingJob | `{reason}` | {meaning} |" for reason, meaning in EVENT_REASONS.items()]
    lines += [f"| TrainingSchedule | `{reason}` | {meaning} |" for reason, meaning in SCHEDULE_EVENT_REASONS.items()]
    return "\n".join(lines) + "\n"


BLOCKS: dict[str, Callable[[], str]] = {
    "job-spec": lambda: fields(TrainingJobSpec),
    "job-status": lambda: fields(TrainingJobStatus),
    "job-conditions": lambda: meanings(MEANINGS),
    "schedule-spec": lambda: fields(TrainingScheduleSpec),
    "schedule-status": lambda: fields(TrainingScheduleStatus),
    "schedule-conditions": lambda: meanings(SCHEDULE_MEANINGS),
    "events": event_reasons,
}


def main() -> int:
    return keep(TARGET, with_blocks(TARGET, BLOCKS), "the code")


if __name__ == "__main__":
    sys.exit(main())
