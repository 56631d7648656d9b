"""Tools that a model may call: their definitions by the providers' rules, and calls held against them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from data_contracts.text import canonical_json
from tasks.curate.defects import Code, Defect
from tasks.curate.reading import strict_json
from tasks.curate.reading.values import Value

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MOST_TOOLS = 128
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_KEYS = {"name", "description", "parameters", "strict"}


@dataclass(frozen=True)
class Tools:
    """What a record says of tools: `text` is its JSON as a request carries it, "" where there are none."""

    text: str
    parameters: Mapping[str, "Validator"]  # tool -> the schema of its arguments
    parallel: bool

    @classmethod
    def of(cls, field: str, tools: Value, parallel: Value) -> "Tools":
        """Raises Defect where a provider would refuse the definitions."""
        if not tools and parallel is None:
            return NO_TOOLS
        if not isinstance(parallel, bool | None):
            raise Defect(Code.TOOLS, "Write `parallel_tool_calls` as true or false.", field)
        if not tools:
            raise Defect(Code.TOOLS, "Leave `parallel_tool_calls` out where there are no tools.", field)
        try:
            text = json.dumps(tools, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError):
            raise Defect(Code.TOOLS, "Write the tools in values that JSON knows.", field) from None
        extra = {} if parallel is None else {"parallel_tool_calls": parallel}
        settings = json.dumps({"tools": tools, **extra}, ensure_ascii=False)
        return cls(settings, _parameters(field, text), parallel is not False)

    def check_calls(self, field: str, where: str, calls: Sequence[Mapping[str, Any]]) -> None:
        """Raise Defect where a tool is called that is not defined, or several at once where that is ruled out."""
        if len(calls) > 1 and not self.parallel:
            remedy = f"{where}: call one tool at a time, or set `parallel_tool_calls` to true."
            raise Defect(Code.TOOL_CALL, remedy, field)
        if any(call["function"]["name"] not in self.parameters for call in calls):
            raise Defect(Code.TOOL_CALL, f"{where}: define every tool that is called in the record's `tools`.", field)

    def check_arguments(self, field: str, calls: Sequence[Mapping[str, Any]]) -> None:
        """Raise Defect where the arguments of an expected call break the schema of the tool's parameters."""
        for number, call in enumerate(calls, start=1):
            rule = _broken_rule(self.parameters[call["function"]["name"]], json.loads(call["function"]["arguments"]))
            if rule:
                remedy = f"Call {number} of the answer: its arguments break `{rule}` of the tool's `parameters`."
                raise Defect(Code.SCHEMA, remedy, field)


NO_TOOLS = Tools("", {}, True)


def check_call(field: str, where: str, call: Value) -> dict[str, Any]:
    """The call with the keys that it needs to be sent again. Raises Defect."""

    def refuse(remedy: str) -> NoReturn:
        raise Defect(Code.TOOL_CALL, f"{where}: {remedy}.", field)

    if not isinstance(call, dict) or set(call) != {"id", "type", "function"}:
        refuse("write it with `id`, `type` and `function` and nothing else")
    if not isinstance(call["id"], str) or not call["id"].strip():
        refuse("give it an `id`, which its `tool` message repeats")
    if call["type"] != "function":
        refuse("the type must be `function`")
    function = call["function"]
    if (
        not isinstance(function, dict)
        or set(function) != {"name", "arguments"}
        or not isinstance(function["name"], str)
    ):
        refuse("`function` must have `name` and `arguments` and nothing else")
    if not isinstance(function["arguments"], str) or not _is_object(function["arguments"]):
        refuse("write `arguments` as the text of one JSON object")
    return {"id": call["id"], "type": "function", "function": {**function}}


def _is_object(text: str) -> bool:
    try:
        value = strict_json.parse(text)
        canonical_json(value).encode()  # an escape may stand for half a surrogate pair
    except (Defect, UnicodeEncodeError):
        return False
    return isinstance(value, dict)


def _broken_rule(schema: "Validator", arguments: dict[str, Any]) -> str | None:
    from referencing.exceptions import Unresolvable

    try:
        error = next(schema.iter_errors(arguments), None)
    except (Unresolvable, RecursionError):
        return "$ref"
    return str(error.validator) if error else None


@lru_cache(maxsize=512)  # a source has few tool sets, and many rows with each
def _parameters(field: str, text: str) -> dict[str, "Validator"]:
    """The argument schemas by tool; raises Defect where a definition breaks a rule."""
    tools = json.loads(text)
    if not isinstance(tools, list) or len(tools) > MOST_TOOLS:
        raise Defect(Code.TOOLS, f"Write `tools` as a list of at most {MOST_TOOLS} definitions.", field)
    schemas = dict(_definition(field, f"Tool {number}", tool) for number, tool in enumerate(tools, start=1))
    if len(schemas) < len(tools):
        raise Defect(Code.TOOLS, "Give each tool a name of its own.", field)
    return schemas


def _definition(field: str, where: str, tool: Value) -> tuple[str, "Validator"]:
    def refuse(remedy: str) -> NoReturn:
        raise Defect(Code.TOOLS, f"{where}: {remedy}.", field)

    given = _without_nulls(tool)
    if set(given) != {"type", "function"} or given["type"] != "function" or not isinstance(given["function"], dict):
        refuse("write it as {type: function, function: {name, description, parameters}}")
    function = _without_nulls(given["function"])
    if set(function) - _KEYS:
        refuse("leave out every key of `function` but name, description, parameters, strict")
    if not isinstance(function.get("name"), str) or not _NAME.fullmatch(function["name"]):
        refuse("name it in 1 to 64 of a-z, A-Z, 0-9, _ and -")
    if not isinstance(function.get("description", ""), str) or not isinstance(function.get("strict", False), bool):
        refuse("`description` is a text, and `strict` true or false")
    schema = function.get("parameters", {"type": "object", "properties": {}})
    if not isinstance(schema, dict) or schema.get("type") != "object":
        refuse("`parameters` must be a JSON Schema of type: object")
    return function["name"], _validator(field, where, schema)


def _validator(field: str, where: str, schema: dict[str, Any]) -> "Validator":
    from jsonschema import Draft202012Validator, SchemaError
    from referencing import Registry

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        remedy = f"{where}: mend its `parameters` by JSON Schema 2020-12: `{error.validator}` does not hold."
        raise Defect(Code.TOOLS, remedy, field) from None
    return Draft202012Validator(schema, registry=Registry())  # nothing is fetched for a `$ref` that a row brings


def _without_nulls(value: Value) -> dict[str, Any]:
    return {key: part for key, part in value.items() if part is not None} if isinstance(value, dict) else {}
