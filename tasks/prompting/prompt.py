"""The one renderer: what a candidate is asked, what a training record shows, and how an answer is read."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from data_contracts.candidate import Candidate, Prompt
from data_contracts.contract import Contract
from data_contracts.text import canonical_json
from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.prompting import reasoning
from tasks.prompting.few_shot import Shot
from tasks.prompting.reading import Labels, read_json
from tasks.prompting.tool_calls import Message, as_message, is_calls, numbered, placeholders, readable

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

INSTRUCTIONS = ("system", "developer")
HEADINGS = {"rules": "Rules", "labels": "Labels", "format": "Output format", "reasoning": "Reasoning"}


class Renderer:
    """Turns a prompt and a row's messages into a request, and the answer's text into a comparable form."""

    def __init__(self, kind: TaskKind, contract: Contract, labels: Sequence[str]) -> None:
        """`labels` are those that train holds; they count where the contract lists none."""
        self.kind = kind
        self.contract = contract
        self.labels = sorted(contract.labels or set(labels))
        self._key = "label" if kind is TaskKind.CLASSIFICATION else "answer"  # of the answer in JSON with reasoning

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
        if decoding.top_p is not None:
            body["top_p"] = decoding.top_p
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

        A label may differ in case, space and quotes. JSON is the whole answer, or the one fenced block that is. Of a
        prompt with reasoning only the final answer is read. Tool calls are compared as their canonical JSON; they are
        never a label.
        """
        if is_calls(text) and self.kind is not TaskKind.CLASSIFICATION:
            return readable(text)
        if prompt.reasoning and prompt.structured:
            return self._value(reasoning.answer_in(read_json(text), self._key))
        final = reasoning.final_answer(text) if prompt.reasoning else text
        if final is None:
            return None
        if self.kind is TaskKind.FREE_TEXT:
            return final.strip() or None
        if self.kind is TaskKind.EXTRACTION:
            return self._value(read_json(final))
        in_json = self._label_in_json(final)
        return in_json if prompt.structured else self._labels.read(final) or in_json

    def layers(self, prompt: Prompt, messages: Sequence[Message], examples: Sequence[Shot]) -> dict[str, float]:
        """Estimated tokens of what a request consists of: the prompt's layers, schema, examples and the input."""
        own = [message for message in messages if message["role"] in INSTRUCTIONS]
        shots = [turn for shot in examples for turn in self._example(prompt, shot)]
        texts: dict[str, str] = {
            **self._layers(prompt),
            "schema": canonical_json(self._response_format(prompt)) if prompt.structured else "",
            "examples": canonical_json(shots) if shots else "",
            "input": canonical_json([*own, *_turns(messages)]),
        }
        return {name: len(text.encode()) / 4 for name, text in texts.items()}

    def instructions(self, prompt: Prompt) -> str:
        """The system text of the prompt, before what a row adds to it."""
        headed = {name: f"{HEADINGS[name]}:\n" if name in HEADINGS else "" for name in self._layers(prompt)}
        return "\n\n".join(headed[name] + text for name, text in self._layers(prompt).items() if text)

    def _asked(self, prompt: Prompt, messages: Sequence[Message]) -> list[Message]:
        if prompt.few_shot.count:
            problem = "a tuned model's own prompt has few-shot examples"
            raise ConfigurationError(f"prompt {prompt.name}", problem, "Set few_shot.count to 0 there.")
        if prompt.reasoning:
            problem = "a tuned model's own prompt asks for reasoning, and no row holds any to learn from"
            raise ConfigurationError(f"prompt {prompt.name}", problem, "Set reasoning: false there.")
        return self._messages(prompt, messages, ())

    def _messages(self, prompt: Prompt, messages: Sequence[Message], examples: Sequence[Shot]) -> list[Message]:
        own = [message["content"] for message in messages if message["role"] in INSTRUCTIONS]
        system = "\n\n".join(part for part in [self.instructions(prompt), *own] if part)
        rendered: list[Message] = [{"role": "system", "content": system}] if system else []
        for shot in examples:
            rendered += self._example(prompt, shot)
        return numbered(rendered + _turns(messages))

    def _example(self, prompt: Prompt, shot: Shot) -> list[Message]:
        answer = as_message(self._answer(prompt, shot.output))
        return [*_turns(shot.messages), answer, *placeholders(answer)]

    def _layers(self, prompt: Prompt) -> dict[str, str]:
        return {
            "role": prompt.role.strip(),
            "rules": "\n".join(f"- {rule.strip()}" for rule in prompt.rules),
            "labels": "\n".join(self._label_lines(prompt)),
            "format": prompt.output_format.strip(),
            "reasoning": reasoning.instruction(prompt, self._key),
        }

    def _label_lines(self, prompt: Prompt) -> list[str]:
        if prompt.labels == "none":
            return []
        described = self.contract.labels if prompt.labels == "descriptions" else {}
        return [f"- {label}: {described[label]}" if described.get(label) else f"- {label}" for label in self.labels]

    def _answer(self, prompt: Prompt, output: str) -> str:
        """What an assistant says that gives this output; with reasoning its shortest form, without any."""
        if is_calls(output):
            return output
        if prompt.reasoning:
            value = json.loads(output) if prompt.structured and self.kind is TaskKind.EXTRACTION else output
            return reasoning.shown(value, self._key) if prompt.structured else f"Answer: {output}"
        if prompt.structured and self.kind is TaskKind.CLASSIFICATION:
            return canonical_json({"label": output})
        return output

    def _response_format(self, prompt: Prompt) -> dict[str, Any]:
        schema = self.schema(prompt)
        return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}

    def schema(self, prompt: Prompt) -> dict[str, Any]:
        """JSON Schema of a structured answer, the reasoning first where it is asked for. Raises ConfigurationError."""
        if self.kind is TaskKind.CLASSIFICATION:
            label = {"type": "string", "enum": self.labels}
            if prompt.reasoning:
                return reasoning.with_reasoning(label, self._key)
            return {
                "type": "object",
                "properties": {"label": label},
                "required": ["label"],
                "additionalProperties": False,
            }
        schema = self.contract.output_schema
        if schema is None:
            problem = "`structured` needs a schema, and the contract has no `output_schema`"
            raise ConfigurationError(f"prompt {prompt.name}", problem, "Add the schema, or set structured: false.")
        return reasoning.with_reasoning(schema, self._key) if prompt.reasoning else schema

    def _value(self, value: object) -> str | None:
        """A JSON value as the answer that it stands for; None where it breaks the contract."""
        if self.kind is TaskKind.EXTRACTION:
            return canonical_json(value) if isinstance(value, dict) and self._validator.is_valid(value) else None
        text = value if isinstance(value, str) else "" if value is None else canonical_json(value)
        return self._labels.read(text) if self.kind is TaskKind.CLASSIFICATION else text.strip() or None

    def _label_in_json(self, text: str) -> str | None:
        match read_json(text):
            case {"label": str(label), **rest} if not rest:
                return self._labels.read(label)
        return None

    @cached_property
    def _labels(self) -> Labels:
        return Labels(self.labels)

    @cached_property
    def _validator(self) -> "Validator":
        from jsonschema.validators import validator_for

        schema = self.contract.output_schema or {}
        return validator_for(schema)(schema)


def as_text(prompt: Prompt, contract: Contract, labels: Sequence[str]) -> str:
    """Every layer of a prompt as one text, for a registry: {{input}} is the row, {{examples}} the few-shot turns.

    `labels` as for Renderer, none but for classification. A schema that is asked for stands after it.
    """
    kind = TaskKind.EXTRACTION if contract.output_schema else TaskKind.FREE_TEXT
    renderer = Renderer(TaskKind.CLASSIFICATION if labels else kind, contract, labels)
    parts = [renderer.instructions(prompt), "{{examples}}" if prompt.few_shot.count else "", "{{input}}"]
    if prompt.structured:
        schema = json.dumps(renderer.schema(prompt), indent=2, ensure_ascii=False)
        parts.append(f"JSON Schema of the answer:\n{schema}")
    return "\n\n".join(part for part in parts if part)


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
