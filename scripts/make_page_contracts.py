"""Writes the page's types and constants from the contracts. With `--check` it writes nothing and exits 1 where the file differs."""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from pydantic_core.core_schema import DataclassField, ModelField, TypedDictField
from scripts.drift import keep
from scripts.typescript import constant, declarations

from levain_contracts.closecodes import FINAL, CloseCode
from levain_contracts.events import MAX_FAILURES
from levain_contracts.frames import BEARER_PROTOCOL_PREFIX, FRAME_DATA, PROTOCOL, FrameType, Stage
from levain_contracts.jobs import JobState
from levain_contracts.resources import Dataset, Job, JobSpec, Problem, ProductDetail, ProductPage

TARGET = Path(__file__).resolve().parent.parent / "frontend" / "src" / "api" / "training" / "contracts.gen.ts"
Json = dict[str, Any]

_HEAD = "// Made from libs/levain_contracts by `make docs`; `make check` fails where it differs.\n"
_ANSWERS: list[type[BaseModel]] = [*FRAME_DATA.values(), Dataset, Job, Problem, ProductDetail, ProductPage]


class _AsWritten(GenerateJsonSchema):
    def field_is_required(self, field: ModelField | DataclassField | TypedDictField, total: bool) -> bool:
        return True  # the service writes every field, defaults too


def document() -> str:
    frames = [_frame(kind) for kind in FrameType]
    union = "export type Frame =\n" + "\n".join(f"  | {_frame_name(kind)}" for kind in FrameType) + ";\n"
    return "\n".join([_HEAD, *_constants(), *declarations(_answers() | _requests()), *frames, union])


def _answers() -> Json:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(m, "serialization") for m in dict.fromkeys(_ANSWERS)]
    _, made = models_json_schema(wanted, ref_template="#/{model}", schema_generator=_AsWritten)
    definitions: Json = made["$defs"]
    return definitions


def _requests() -> Json:
    """What a caller may leave out is optional here."""
    made = JobSpec.model_json_schema(by_alias=False, ref_template="#/{model}")
    definitions: Json = json.loads(json.dumps({"JobSpec": made} | made.pop("$defs")).replace('"#/', '"#/New'))
    return {f"New{name}": schema for name, schema in definitions.items()}


def _constants() -> list[str]:
    codes = {code.name.lower(): code.value for code in CloseCode}
    return [
        constant("PROTOCOL", json.dumps(PROTOCOL)),
        constant("BEARER_PROTOCOL_PREFIX", json.dumps(BEARER_PROTOCOL_PREFIX)),
        constant("MAX_FAILURES", str(MAX_FAILURES)),
        constant("STAGES", json.dumps([stage.value for stage in Stage])),
        constant("TERMINAL_STATES", json.dumps([state.value for state in JobState if state.terminal])),
        constant("CLOSE_CODE", json.dumps(codes, indent=2)),
        constant("FINAL_CLOSE_CODES", json.dumps(sorted(code.value for code in FINAL))),
        "/** What a frame's `data` must hold, by the frame's type: the kinds that each field may be of. */\n"
        + constant("FRAME_FIELDS", "{\n" + "".join(_field_lines(kind) for kind in FrameType) + "}"),
    ]


def _field_lines(kind: FrameType) -> str:
    fields = "".join(f"    {name}: {json.dumps(kinds)},\n" for name, kinds in _kinds(FRAME_DATA[kind]).items())
    return f"  {kind.value}: {{\n{fields}  }},\n"


def _kinds(data: type[BaseModel]) -> dict[str, list[str]]:
    """A field with a default may be missing."""
    schema = data.model_json_schema()
    required, definitions = schema.get("required", ()), schema.get("$defs", {})
    return {
        name: sorted(_kinds_of(field, definitions) | (set() if name in required else {"undefined"}))
        for name, field in schema["properties"].items()
    }


def _kinds_of(schema: Json, definitions: Json) -> set[str]:
    if "$ref" in schema:
        return _kinds_of(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    if "anyOf" in schema:
        return {kind for one in schema["anyOf"] for kind in _kinds_of(one, definitions)}
    return {"number" if schema["type"] == "integer" else schema["type"]}


def _frame_name(kind: FrameType) -> str:
    return "".join(word.capitalize() for word in kind.value.split("_")) + "Frame"


def _frame(kind: FrameType) -> str:
    fields = ["type: " + json.dumps(kind.value), "job_id: string", "tenant_id: string", "seq: number", "time: string", "progress: number"]
    fields.append(f"data: {FRAME_DATA[kind].__name__}")
    return f"export interface {_frame_name(kind)} {{\n" + "".join(f"  readonly {field};\n" for field in fields) + "}\n"


def main() -> int:
    return keep(TARGET, document(), "the contracts")


if __name__ == "__main__":
    sys.exit(main())
