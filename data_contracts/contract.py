"""The typed model of a contract: what a valid example of a use case is. Unknown keys are errors."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from data_contracts.strict import Strict

ColumnType = Literal["string", "integer", "number", "boolean", "datetime", "messages", "object"]


class Column(Strict):
    """One column of the source."""

    type: ColumnType = "string"
    required: bool = True
    description: str = ""


class Mapping(Strict):
    """Which column is which part of an example: chat `messages`, flat `input` and `output`, or a preference pair."""

    id: str | None = None
    messages: str | None = Field(
        None, description="Column of chat messages; without `output` the last one is the expected answer"
    )
    input: str | None = Field(None, description="Column of the user's text")
    output: str | None = Field(None, description="Column of the expected (of a pair: the preferred) answer")
    rejected: str | None = Field(None, description="Column of the answer that is not preferred, for preference pairs")
    tools: str | None = Field(None, description="Column of tool definitions that the model may call")
    group: str | None = Field(None, description="Rows of one group never straddle two partitions")
    created_at: str | None = None
    slices: list[str] = Field(default_factory=list)
    compare: Literal["user", "last_user", "conversation"] = Field(
        "user",
        description="Which turns make the text that is compared, searched and shown: all the user's, the last one "
        "of the user, or every turn before the answer with tool calls and their results",
    )

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        if bool(self.messages) == bool(self.input):
            raise ValueError("map either `messages`, or `input` and `output`")
        if self.input and not self.output:
            raise ValueError("`input` needs an `output`")
        if self.rejected and not self.output:
            raise ValueError("`rejected` needs the preferred answer as `output`")
        return self


class Expectation(Strict):
    """One expectation in Great Expectations' own form. It sees the curated columns."""

    type: str
    kwargs: dict[str, Any] = Field(default_factory=dict)
    severity: Literal["critical", "warning", "info"] = "critical"
    notes: str = ""


class Contract(Strict):
    """What a valid example of a use case is."""

    name: str
    version: str
    owner: str = ""
    description: str = ""
    columns: dict[str, Column]
    mapping: Mapping
    labels: dict[str, str] = Field(
        default_factory=dict, description="Label to description; empty: the labels that train holds"
    )
    output_schema: dict[str, Any] | None = Field(None, description="JSON Schema of an extraction's answer")
    expectations: list[Expectation] = Field(default_factory=list)
