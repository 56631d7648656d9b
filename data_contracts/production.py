"""One line of what production said: a request with its answer, or a label that came later."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BeforeValidator, Field, WithJsonSchema, model_validator

from data_contracts.contest import Outcome
from data_contracts.document import Document
from data_contracts.text import canonical_json

Moment = Annotated[
    AwareDatetime,
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}),
]
Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _text(value: object) -> object:
    """JSON that an answer is, as the one text of it."""
    return canonical_json(value) if isinstance(value, dict | list) else value


Answer = Annotated[
    str,
    BeforeValidator(_text),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "array", "items": {}}]}),
]


class ProductionRecord(Document):
    """A request and its answer; or, with `id` and `expected` alone, the label of one that was logged before."""

    at: Moment | None = Field(None, description="When it was asked: ISO 8601 with its offset, or seconds since 1970")
    input: str | None = Field(None, description="The user's text; or give `messages`")
    messages: list[dict[str, Any]] | None = Field(
        None, description="Chat messages before the answer, without those of the champion's own prompt"
    )
    output: Answer | None = Field(None, description="What the model said, as it said it; none: no answer came")
    expected: Answer | None = Field(None, description="The right answer, where somebody said it: the label")
    id: str | None = Field(None, description="Of the request; made of its content unless given")
    group: str | None = Field(None, description="Whom or what it belongs to, such as a customer or a conversation")
    model: str | None = Field(None, description="Name of the model that was asked")
    version: int | None = Field(None, description="Version of the registered model that answered; it wins over `model`")
    outcome: Outcome | None = Field(None, description="How it ended; read off the output unless given")
    latency_ms: Figure | None = None
    prompt_tokens: int | None = Field(None, ge=0)
    completion_tokens: int | None = Field(None, ge=0)
    cost: Figure | None = Field(None, description="USD; from the tokens and today's price unless given")
    fields: dict[str, Any] = Field(
        default_factory=dict, description="Further columns of the contract, for rows that are collected: slices, tools"
    )

    @property
    def is_label(self) -> bool:
        """Whether it only says what an earlier request should have been answered."""
        return self.input is None and self.messages is None

    @property
    def moment(self) -> float:
        """When it was asked, seconds since 1970."""
        return self.at.timestamp() if isinstance(self.at, datetime) else 0.0

    @model_validator(mode="after")
    def _is_an_answer_or_a_label(self) -> Self:
        if self.is_label and (self.id is None or self.expected is None):
            raise ValueError("a record needs `at` with `input` or `messages`, or `id` with `expected`")
        if not self.is_label and self.at is None:
            raise ValueError("a request needs `at`, the time at which it was asked")
        return self
