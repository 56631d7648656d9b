"""An expected answer, and the one it is preferred to: a label, JSON by the contract's schema, a text, or tool calls."""

from collections.abc import Callable
from typing import Any

from data_contracts.contract import Contract
from data_contracts.text import canonical_json
from data_contracts.use_case import TaskKind
from tasks.curate.cleaning.labels import variants
from tasks.curate.defects import Code, Defect
from tasks.curate.reading import strict_json
from tasks.curate.reading.chat import Message, read_messages
from tasks.curate.reading.tools import Tools
from tasks.curate.reading.values import Value, not_blank, text_or_none
from tasks.errors import ConfigurationError
from tasks.prompting.tool_calls import as_text

Clean = Callable[[str, str], str]  # text, field -> the text without what the privacy policy masks


class Answers:
    """The text of an answer as it is stored and compared. Raises Defect where it breaks the contract."""

    def __init__(self, contract: Contract, kind: TaskKind, clean: Clean) -> None:
        self._labels, self._kind, self._clean = contract.labels, kind, clean
        self._broken_rule = _schema_check(contract) if kind == TaskKind.EXTRACTION else None

    def expected(self, field: str, answer: Message, tools: Tools) -> str:
        """Label, canonical JSON, text, or tool calls as canonical JSON."""
        if answer.get("weight") == 0:
            raise Defect(Code.WEIGHT, "The answer is what is learnt: give its message weight 1, or none.", field)
        if answer.get("tool_calls"):
            tools.check_arguments(field, answer["tool_calls"])
            return self._calls(field, answer)
        content = not_blank(field, answer["content"])
        if self._kind is TaskKind.EXTRACTION:
            return self._extraction(field, content)
        text = text_or_none(content) or ""
        if self._kind is TaskKind.CLASSIFICATION and self._labels:
            return self._label(field, text)
        return self._clean(text, field)

    def rejected(self, field: str, answer: Message, expected: str) -> str:
        """The answer that is not preferred: any text, JSON or calls but the expected ones."""
        if answer.get("tool_calls"):
            text = self._calls(field, answer)
        else:
            content = not_blank(field, answer["content"])
            text = self._json(field, content) if isinstance(content, dict | list) else text_or_none(content) or ""
            text = self._clean(text, field)
        if _bare(text) == _bare(expected):
            raise Defect(Code.PAIR, "Both answers of the pair are the same: give two that differ.", field)
        return text

    def _calls(self, field: str, answer: Message) -> str:
        if self._kind is TaskKind.CLASSIFICATION:
            remedy = "The answer of a classification is a label: set `kind: free_text` or `extraction` for tool calls."
            raise Defect(Code.TOOL_CALL, remedy, field)
        if answer.get("content"):
            remedy = "An answer is a text or tool calls, since one of them is compared: leave its text out."
            raise Defect(Code.TOOL_CALL, remedy, field)
        return clean_json(self._clean, field, as_text(answer["tool_calls"]))

    def _label(self, field: str, text: str) -> str:
        if text in self._labels:
            return text
        near = next((variant.variant_of for variant in variants({text: 1}, self._labels)), None)
        remedy = "Correct the label, or add it to `labels` in the contract."
        if near:
            looks = "only in case, space, punctuation or look-alike letters"
            remedy = f"It differs from the label `{near}` {looks}: write it the same way."
        raise Defect(Code.UNKNOWN_LABEL, remedy, field)

    def _extraction(self, field: str, content: Value) -> str:
        text = clean_json(self._clean, field, self._json(field, content))
        broken = self._broken_rule(strict_json.parse(text)) if self._broken_rule else None
        if broken:
            raise Defect(Code.SCHEMA, f"{broken} of the contract's output_schema.", field)
        return text

    def _json(self, field: str, content: Value) -> str:
        try:
            return canonical_json(strict_json.parse(content) if isinstance(content, str) else content)
        except Defect as defect:
            raise Defect(defect.code, defect.remedy, field) from None
        except (TypeError, ValueError):  # Parquet holds dates and NaN, which JSON does not have
            raise Defect(Code.TYPE, "Write the answer in values that JSON knows.", field) from None


def clean_json(clean: Clean, field: str, text: str) -> str:
    """The JSON without what is masked; raises Defect where that stands outside its strings."""
    cleaned = clean(text, field)
    if cleaned != text:
        try:
            strict_json.parse(cleaned)
        except Defect:
            remedy = "It stands outside a string, where it cannot be masked: mask it at the source."
            raise Defect(Code.PERSONAL_DATA, remedy, field) from None
    return cleaned


def only_answer(field: str, value: Value) -> Message:
    """The one message of the assistant that a list holds. Raises Defect."""
    messages = read_messages(field, value)
    if [message["role"] for message in messages] != ["assistant"]:
        raise Defect(Code.MESSAGES, "Write exactly one message of the assistant here.", field)
    return messages[0]


def _bare(text: str) -> str:
    return " ".join(text.split())


def _schema_check(contract: Contract) -> Callable[[Any], str | None]:
    """Says which rule an answer breaks, by rule and place only: a message of jsonschema would quote the row."""
    from jsonschema import Draft202012Validator, FormatChecker, SchemaError
    from jsonschema.exceptions import best_match

    try:
        Draft202012Validator.check_schema(contract.output_schema or {})
    except SchemaError as error:
        where = f"contract {contract.name}, output_schema {error.json_path}"
        raise ConfigurationError(where, error.message, "Mend it by JSON Schema 2020-12.") from error
    validator = Draft202012Validator(contract.output_schema or {}, format_checker=FormatChecker())

    def broken_rule(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
        error = best_match(validator.iter_errors(value))
        return f"{error.json_path} breaks `{error.validator}`" if error else None

    return broken_rule
