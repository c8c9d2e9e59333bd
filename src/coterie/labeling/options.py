"""What a definition asks of its labels: `llm_labeling` as it is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

SAMPLES = 10
ANSWER_TOKENS = 400
"""Tokens that an answer may take where `parameters` do not say."""


class Parameters(BaseModel):
    """Parameters that go to the model with each request; no others are known, and none is passed over in silence."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True)

    temperature: float = Field(0.0, ge=0, le=2)
    max_tokens: int = Field(
        ANSWER_TOKENS,
        ge=16,
        le=8_192,
        validation_alias=AliasChoices("max_tokens", "max_completion_tokens", "max_output_tokens"),
    )
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=0, lt=2**31)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    reasoning_effort: Annotated[str, Field(pattern="^[a-z]{1,16}$")] | None = None
    stop: list[Annotated[str, Field(min_length=1, max_length=64)]] | None = Field(None, max_length=4)

    def extra(self) -> dict[str, Any]:
        """Those that have no default of ours and were given."""
        return self.model_dump(exclude_none=True, exclude={"temperature", "max_tokens"})


@dataclass(frozen=True)
class Options:
    """What is asked of the model, and of whom. `fields` are the payload's that labels are made of; empty for all."""

    enabled: bool = False
    provider: str | None = None
    model: str | None = None
    summary: bool = True
    keywords: bool = True
    samples: int = SAMPLES
    custom: str | None = None
    fields: tuple[str, ...] = ()
    parameters: Parameters = field(default_factory=Parameters)


def options_of(stored: Mapping[str, Any]) -> Options:
    """The options of a definition's or a run's `llm_labeling`."""
    return Options(
        stored.get("enabled", False),
        stored.get("provider"),
        stored.get("model_name"),
        stored.get("include_summary", True),
        stored.get("include_keywords", True),
        stored.get("max_samples_per_cluster", SAMPLES),
        stored.get("custom_prompt"),
        fields_of(stored),
        Parameters.model_validate(stored.get("parameters") or {}),
    )


def fields_of(stored: Mapping[str, Any]) -> tuple[str, ...]:
    """The payload fields that labels are made of; empty for all."""
    mappings: Sequence[Mapping[str, Any]] = (stored.get("labeling_inputs") or {}).get("input_mappings", ())
    return tuple(each["path"] for each in mappings)


def check_parameters(given: dict[str, Any]) -> dict[str, Any]:
    """The parameters as they came. Raises ValueError that names what is unknown or out of bounds."""
    try:
        _PARAMETERS.validate_python(given)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = ".".join(map(str, fault["loc"])) or "parameters"
        if fault["type"] == "extra_forbidden":
            raise ValueError(f"'{name[:64]}' is not known; there are {', '.join(Parameters.model_fields)}") from None
        raise ValueError(f"'{name[:64]}': {fault['msg']}") from None
    return given


_PARAMETERS = TypeAdapter(Parameters)
