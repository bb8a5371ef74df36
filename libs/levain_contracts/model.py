"""The two bases of all contracts: what a producer may write, and what a person may send."""

from typing import Annotated

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from levain_contracts.ids import ID_PATTERN, MAX_ID_CHARS

MAX_NAME_CHARS = 200
MAX_CODE_CHARS = 64
MAX_MESSAGE_CHARS = 500
MAX_PRODUCTS = 1_000_000
MAX_SEQ = 2**53 - 1  # the largest integer that is exact in JavaScript

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN, max_length=MAX_ID_CHARS)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS)]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$", max_length=MAX_CODE_CHARS)]
Message = Annotated[str, StringConstraints(max_length=MAX_MESSAGE_CHARS)]
Count = Annotated[int, Field(ge=0, le=MAX_PRODUCTS)]
Seq = Annotated[int, Field(ge=0, le=MAX_SEQ)]
Percent = Annotated[int, Field(ge=0, le=100)]


class Wire(BaseModel):
    """Between our own processes: strict types, no NaN, no field that the contract does not name."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Resource(BaseModel):
    """Over HTTP: lenient about how a value is spelt, strict about names and bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def camel(name: str) -> AliasChoices:
    """A field that may be written as its name or in camel case, as in the TrainingJob resource."""
    return AliasChoices(name, to_camel(name))


def clip(text: str, limit: int = MAX_MESSAGE_CHARS) -> str:
    """Text cut to what a message may hold, control characters made spaces."""
    flat = "".join(c if c.isprintable() else " " for c in text[: limit * 4]).strip()
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
