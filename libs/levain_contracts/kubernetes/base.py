"""What both resources share: names, spelling, times and conditions."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic.alias_generators import to_camel

from levain_contracts.model import MAX_SEQ, Message, Resource

GROUP = "levain.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "levain"
TENANT_LABEL = f"{GROUP}/tenant"
MAX_CONDITIONS = 10
MAX_RESOURCE_NAME_CHARS = 63


class KubernetesModel(Resource):
    """Camel case on the wire; in Python either spelling."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_alias=True, validate_by_name=True)

    def wire(self) -> dict[str, Any]:
        """As the API server stores it: what is None is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def whole_second(time: datetime) -> datetime:
    """In UTC and cut to the second: all that the API's times hold, so that what is read back is equal."""
    if time.tzinfo is None:
        raise ValueError("a time needs an offset")
    return time.astimezone(UTC).replace(microsecond=0)


def time_text(time: datetime) -> str:
    return whole_second(time).isoformat().replace("+00:00", "Z")


Time = Annotated[datetime, AfterValidator(whole_second), PlainSerializer(time_text, return_type=str, when_used="json")]
Generation = Annotated[int, Field(ge=0, le=MAX_SEQ)]
Reason = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9]{0,63}$", max_length=64)]
ConditionType = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]{0,62}$", max_length=63)]
ResourceName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_RESOURCE_NAME_CHARS)]


class Truth(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(KubernetesModel):
    type: ConditionType = Field(description="What is said to hold.")
    status: Truth = Field(description="Whether it holds.")
    reason: Reason = Field(description="Why, in one word that programs may rely on.")
    message: Message = Field("", description="Why, for people.")
    observed_generation: Generation | None = Field(None, description="The metadata.generation that this speaks of.")
    last_transition_time: Time = Field(description="When the status of this condition last changed.")


Conditions = Annotated[tuple[Condition, ...], Field(max_length=MAX_CONDITIONS)]
