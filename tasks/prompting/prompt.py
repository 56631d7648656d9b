"""The one renderer: what a candidate is asked, what a training record shows, and how an answer is read."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from data_contracts.candidate import Candidate, Prompt
from data_contracts.contract import Contract
from data_contracts.text import canonical_json
from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.prompting.few_shot import Shot
from tasks.prompting.tool_calls import Message, as_message, is_calls, numbered, placeholders, readable

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MAX_PROMPT_TOKENS = 2_000
MAX_EXAMPLES = 5
INSTRUCTIONS = ("system", "developer")
QUOTES = " \t\r\n\"'`“”‘’«»"
FENCED = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL | re.IGNORECASE)


class Renderer:
    """Turns a prompt and a row's messages into a request, and the answer's text into a comparable form."""

    def __init__(self, kind: TaskKind, contract: Contract, labels: Sequence[str]) -> None:
        """`labels` are those that train holds; they count where the contract lists none."""
        self.kind = kind
        self.contract = contract
        self.labels = sorted(contract.labels or set(labels))

    def request(
        self, candidate: Candidate, messages: Sequence[Message], examples: Sequence[Shot], tools: str = ""
    ) -> dict[str, Any]:
        """The JSON body of POST /chat/completions. `tools` is what the row says of them: JSON, or ""."""
        prompt, decoding = candidate.prompt, candidate.prompt.decoding
        body: dict[str, Any] = {
            "model": candidate.model,
            "messages": [_unweighted(message) for message in self._messages(prompt, messages, examples)],
            "temperature": decoding.temperature,
            "max_tokens": decoding.max_tokens,
        }
        if decoding.seed is not None:
            body["seed"] = decoding.seed
        if prompt.structured:
            body["response_format"] = self._response_format(prompt)
        return {**body, **_settings(tools)}

    def training_record(
        self, prompt: Prompt, messages: Sequence[Message], output: str, tools: str = ""
    ) -> dict[str, Any]:
        """One line of a training file: what `request` sends with this prompt, the row's weights, then the answer."""
        asked, answer = self._asked(prompt, messages), as_message(self._answer(prompt, output))
        return {"messages": numbered([*asked, answer]), **_settings(tools)}

    def preference_record(
        self, prompt: Prompt, messages: Sequence[Message], outputs: tuple[str, str], tools: str = ""
    ) -> dict[str, Any]:
        """The same for direct preference optimisation; `outputs`: the answer that is preferred, and the other one."""
        asked = self._asked(prompt, messages)
        pair = [numbered([*asked, as_message(self._answer(prompt, output))]) for output in outputs]
        answers = {name: one[-1:] for name, one in zip(("preferred_output", "non_preferred_output"), pair, strict=True)}
        return {"input": {"messages": pair[0][:-1], **_settings(tools)}, **answers}

    def graded_record(
        self, prompt: Prompt, messages: Sequence[Message], output: str, tools: str = ""
    ) -> dict[str, Any]:
        """The same for reinforcement: the question, and what a grader finds as `item.reference_answer`."""
        asked = numbered(self._asked(prompt, messages))
        return {"messages": asked, "reference_answer": self._answer(prompt, output), **_settings(tools)}

    def parse(self, text: str, prompt: Prompt) -> str | None:
        """Label, canonical JSON or text; None where the answer has not the form that the prompt asked for.

        A label may differ in case, space and quotes. JSON is the whole answer, or the one fenced block that is. Tool
        calls are compared as their canonical JSON; they are never a label.
        """
        if is_calls(text) and self.kind is not TaskKind.CLASSIFICATION:
            return readable(text)
        if self.kind is TaskKind.FREE_TEXT:
            return text.strip() or None
        if self.kind is TaskKind.EXTRACTION:
            return self._extracted(text)
        if prompt.structured:
            return self._label_in_json(text)
        return self._label(text) or self._label_in_json(text)

    def _asked(self, prompt: Prompt, messages: Sequence[Message]) -> list[Message]:
        if prompt.few_shot.count:
            problem = "a tuned model's own prompt has few-shot examples"
            raise ConfigurationError(f"prompt {prompt.name}", problem, "Set few_shot.count to 0 there.")
        return self._messages(prompt, messages, ())

    def _messages(self, prompt: Prompt, messages: Sequence[Message], examples: Sequence[Shot]) -> list[Message]:
        own = [message["content"] for message in messages if message["role"] in INSTRUCTIONS]
        system = "\n\n".join(part for part in [self._instructions(prompt), *own] if part)
        rendered: list[Message] = [{"role": "system", "content": system}] if system else []
        for shot in examples:
            answer = as_message(self._answer(prompt, shot.output))
            rendered += [*_turns(shot.messages), answer, *placeholders(answer)]
        return numbered(rendered + _turns(messages))

    def _instructions(self, prompt: Prompt) -> str:
        layers = {
            "": prompt.role.strip(),
            "Rules:\n": "\n".join(f"- {rule.strip()}" for rule in prompt.rules),
            "Labels:\n": "\n".join(self._label_lines(prompt)),
            "Output format:\n": prompt.output_format.strip(),
        }
        return "\n\n".join(heading + layer for heading, layer in layers.items() if layer)

    def _label_lines(self, prompt: Prompt) -> list[str]:
        if prompt.labels == "none":
            return []
        described = self.contract.labels if prompt.labels == "descriptions" else {}
        return [f"- {label}: {described[label]}" if described.get(label) else f"- {label}" for label in self.labels]

    def _answer(self, prompt: Prompt, output: str) -> str:
        if prompt.structured and self.kind is TaskKind.CLASSIFICATION:
            return canonical_json({"label": output})
        return output

    def _response_format(self, prompt: Prompt) -> dict[str, Any]:
        schema = self.contract.output_schema
        if self.kind is TaskKind.CLASSIFICATION:
            properties = {"label": {"type": "string", "enum": self.labels}}
            schema = {"type": "object", "properties": properties, "required": ["label"], "additionalProperties": False}
        if schema is None:
            problem = "`structured` needs a schema, and the contract has no `output_schema`"
            raise ConfigurationError(f"prompt {prompt.name}", problem, "Add the schema, or set structured: false.")
        return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}

    def _label(self, text: str) -> str | None:
        stripped = text.strip()
        return stripped if stripped in self._names else self._folded_names.get(_folded(stripped))

    def _label_in_json(self, text: str) -> str | None:
        match _read_json(text):
            case {"label": str(label), **rest} if not rest:
                return self._label(label)
        return None

    def _extracted(self, text: str) -> str | None:
        value = _read_json(text)
        return canonical_json(value) if isinstance(value, dict) and self._validator.is_valid(value) else None

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.labels)

    @cached_property
    def _folded_names(self) -> dict[str, str]:
        """Label by its folded form, where that form belongs to one label only."""
        forms = Counter(_folded(label) for label in self.labels)
        return {_folded(label): label for label in self.labels if forms[_folded(label)] == 1}

    @cached_property
    def _validator(self) -> "Validator":
        from jsonschema.validators import validator_for

        schema = self.contract.output_schema or {}
        return validator_for(schema)(schema)


def warnings(prompt: Prompt, tokens: float) -> list[str]:
    """What is too much in a prompt of so many tokens: over 2,000 of them, or over 5 examples."""
    found = []
    if tokens > MAX_PROMPT_TOKENS:
        found.append(
            f"{tokens:,.0f} prompt tokens, more than {MAX_PROMPT_TOKENS:,}: shorten it, or let a tune learn it."
        )
    if prompt.few_shot.count > MAX_EXAMPLES:
        found.append(f"{prompt.few_shot.count} few-shot examples, more than {MAX_EXAMPLES}: fewer often do as well.")
    return found


def estimated_tokens(messages: Sequence[Mapping[str, str]]) -> int:
    """An estimate of the tokens of messages: UTF-8 bytes / 4, rounded up. Nothing is tokenised."""
    return -(-sum(len(message["content"].encode()) for message in messages) // 4)


def _settings(tools: str) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(tools) if tools else {}
    return settings


def _unweighted(message: Message) -> Message:
    """A weight says what is trained on; a request has none."""
    return {key: value for key, value in message.items() if key != "weight"}


def _turns(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if message["role"] not in INSTRUCTIONS]


def _folded(text: str) -> str:
    return " ".join(text.strip(QUOTES).casefold().split())


def _read_json(text: str) -> object:
    """The JSON value that the whole text is, or that its only fenced block is; None where it is neither."""
    stripped = text.strip()
    fenced = FENCED.fullmatch(stripped)
    try:
        value: object = json.loads(fenced.group(1) if fenced else stripped)
        canonical_json(value).encode()  # NaN, 1e999 and half a surrogate pair can be read and not written
    except (ValueError, RecursionError):  # RecursionError: an answer nested a thousand levels deep
        return None
    return value
