"""A pydantic model's schema in the words of a CRD: no references, no null, no titles."""

from typing import Any

from pydantic import BaseModel

Json = dict[str, Any]

MAX_TIME_CHARS = 40
_TIME: Json = {"type": "string", "format": "date-time"}


def crd_schema(model: type[BaseModel]) -> Json:
    """What the CRD must say of the model, bound by bound. Its own `x-kubernetes-…` words are apart."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _plain(schema, schema.get("$defs", {}))


def _plain(schema: Json, definitions: Json) -> Json:
    own = {k: v for k, v in schema.items() if k not in ("$defs", "$ref", "title", "additionalProperties", "anyOf")}
    if "$ref" in schema:
        referred = _plain(definitions[schema["$ref"].rpartition("/")[2]], definitions)
        return {k: v for k, v in referred.items() if k != "description"} | own
    if "anyOf" in schema:
        (other,) = [s for s in schema["anyOf"] if s != {"type": "null"}]
        own = {k: v for k, v in _plain(other, definitions).items() if k != "description"} | own
    if {k: own.get(k) for k in _TIME} == _TIME:
        own["maxLength"] = MAX_TIME_CHARS
    if own.get("default", ...) in (None, "", []):
        del own["default"]
    if own.get("type") == "object":
        assert schema.get("additionalProperties") is False or "anyOf" in schema, f"{schema.get('title')} takes unknown fields"
        own["properties"] = (
            {name: _plain(s, definitions) for name, s in schema["properties"].items()} if "properties" in schema else own["properties"]
        )
    if own.get("type") == "array" and "items" in schema:
        own["items"] = _plain(schema["items"], definitions)
    return own
