"""Body of POST /chat/completions: what is answered, and what is refused because it would silently be ignored."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from tasks.providers.local.errors import ApiError, Body

Neutral = Annotated[float, Field(ge=0, le=0)] | None


class TextPart(Body):
    """A part of a message."""

    type: Literal["text"]
    text: str


class Message(Body):
    """One message."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: str | None = None

    def plain(self) -> dict[str, str]:
        """Role and text; a developer speaks as the system."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class JsonSchema(Body):
    """What a structured answer must look like."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")
    strict: bool | None = None


class ResponseFormat(Body):
    """Text, any JSON object, or one that a schema describes."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Body):
    """What a stream carries besides the answer."""

    include_usage: bool = False
    include_obfuscation: bool = False


class ChatRequest(Body):
    """The parameters that this server knows."""

    model: str
    messages: list[Message] = Field(min_length=1)
    response_format: ResponseFormat | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    seed: int | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    # taken, since they do not change the answer
    user: str | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    # taken only where they ask for nothing
    top_p: Annotated[float, Field(ge=1, le=1)] | None = None
    presence_penalty: Neutral = None
    frequency_penalty: Neutral = None

    @property
    def plain_messages(self) -> list[dict[str, str]]:
        """Role and text of each message."""
        return [message.plain() for message in self.messages]

    @property
    def token_limit(self) -> int | None:
        """Most tokens of the answer."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> list[str]:
        """Texts that end the answer."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def strict_schema(self) -> dict[str, Any] | None:
        """The schema that the answer must satisfy, if that was promised."""
        wanted = self.response_format.json_schema if self.response_format else None
        return wanted.schema_ if wanted and wanted.strict else None

    def check(self) -> None:
        """The rules between parameters. Raises ApiError."""
        if self.top_logprobs is not None and not self.logprobs:
            raise ApiError(400, "'top_logprobs' needs 'logprobs' to be true.", "top_logprobs", "invalid_value")
        wanted = self.response_format
        if wanted and wanted.type == "json_object" and not _mentions_json(self.plain_messages):
            message = "'messages' must contain the word 'json' to use 'response_format' of type 'json_object'."
            raise ApiError(400, message, "messages", "invalid_value")
        if wanted and wanted.type == "json_schema":
            _check_schema(wanted.json_schema)


def _mentions_json(messages: list[dict[str, str]]) -> bool:
    return any("json" in message["content"].lower() for message in messages)


def _check_schema(wanted: JsonSchema | None) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    param = "response_format.json_schema"
    if wanted is None:
        raise ApiError(400, f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    try:
        Draft202012Validator.check_schema(wanted.schema_)
    except SchemaError as invalid:
        raise _bad_schema(wanted, invalid.json_path, "it is no valid JSON Schema") from None
    if wanted.strict:
        for path, problem in _loose_ends(wanted.schema_, "$"):
            raise _bad_schema(wanted, path, problem)


def _bad_schema(wanted: JsonSchema, path: str, problem: str) -> ApiError:
    message = f"Invalid schema for response_format '{wanted.name}': In {path}, {problem}."
    return ApiError(400, message, "response_format.json_schema.schema", "invalid_json_schema")


def _loose_ends(schema: object, path: str) -> Iterator[tuple[str, str]]:
    """Where a schema falls short of what strict mode asks of every object."""
    if isinstance(schema, list):
        for position, part in enumerate(schema):
            yield from _loose_ends(part, f"{path}[{position}]")
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        if schema.get("additionalProperties") is not False:
            yield path, "'additionalProperties' is required to be supplied and to be false"
        if set(schema.get("required", [])) != set(properties or {}):
            yield path, "'required' is required to be supplied and to hold every key in properties"
    for key, part in schema.items():
        if key not in ("enum", "const", "default", "examples", "required"):
            yield from _loose_ends(part, f"{path}.{key}")
