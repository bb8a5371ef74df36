"""JSON Schema, as pydantic makes it, -> TypeScript interfaces: the small part of both that the contracts use."""

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


class UnknownSchema(ValueError):
    """The contracts use a word of JSON Schema that has no translation here yet."""


def declarations(definitions: Json) -> list[str]:
    return [_declaration(name, definitions[name]) for name in sorted(definitions)]


def constant(name: str, value: str) -> str:
    return f"export const {name} = {value} as const;\n"


def _declaration(name: str, schema: Json) -> str:
    comment = _comment(schema.get("description"))
    if schema.get("type") == "object" and "properties" in schema:
        return f"{comment}export interface {name} {_members(schema)}\n"
    return f"{comment}export type {name} = {_type(schema)};\n"


def _members(schema: Json) -> str:
    required = set(schema.get("required", ()))
    lines = [f"  readonly {key}{'' if key in required else '?'}: {_type(value)};" for key, value in schema["properties"].items()]
    return "{\n" + "\n".join(lines) + "\n}"


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return _union(_literal(value) for value in schema["enum"])
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return _union(_type(one) for one in schema[word])
    if schema.get("type") == "array":
        return f"readonly {_item(schema['items'])}[]"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties", True)
        return f"Readonly<Record<string, {'unknown' if isinstance(values, bool) else _type(values)}>>"
    if schema.get("type") in _PLAIN:
        return _PLAIN[schema["type"]]
    if not set(schema) - {"title", "description", "default"}:
        return "unknown"
    raise UnknownSchema(f"no TypeScript for {schema}")


def _item(schema: Json) -> str:
    item = _type(schema)
    return f"({item})" if " | " in item or item.startswith("readonly ") else item


def _union(types: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(types))


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _comment(text: str | None) -> str:
    return "" if not text else "/** " + " ".join(text.split()) + " */\n"
