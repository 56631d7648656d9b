"""Graders: what an answer is worth, by rules (https://platform.openai.com/docs/guides/graders, 2026-11).

Three kinds are run here: string_check, text_similarity and multi. Those that run code or ask a model are refused.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, TypeAdapter, field_validator, model_validator

from tasks.providers.local.errors import Body
from tasks.providers.local.learning.likeness import LIKENESS, Likeness

TEMPLATE = re.compile(r"\{\{\s*([\w.\[\]-]+?)\s*\}\}")
_OPERATORS: dict[type, Callable[..., float]] = {
    **{ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv},
    **{ast.Pow: math.pow, ast.USub: operator.neg, ast.UAdd: operator.pos},
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    **{"min": min, "max": max, "abs": abs, "floor": math.floor, "ceil": math.ceil},
    **{"exp": math.exp, "sqrt": math.sqrt, "log": math.log},
}
_LONGEST_FORMULA = 500


class MissingVariableError(Exception):
    """A template names what neither the item nor the answer has."""


@dataclass(frozen=True)
class Case:
    """What is graded: an answer, and the line of the training file without its messages."""

    answer: str
    item: Mapping[str, Any]

    def fill(self, template: str) -> str:
        """The template with its variables filled in. Raises MissingVariableError."""
        return TEMPLATE.sub(lambda found: self._value(found[1].split(".")), template)

    def _value(self, path: list[str]) -> str:
        if path == ["sample", "output_text"]:
            return self.answer
        if path[:2] == ["sample", "output_json"]:
            return _found(_json(self.answer), path[2:], ".".join(path))
        if path[0] == "item" and len(path) > 1:
            return _found(self.item, path[1:], ".".join(path))
        raise MissingVariableError(".".join(path))


class StringCheck(Body):
    """1 where the operation holds, else 0."""

    type: Literal["string_check"]
    name: str
    input: str
    reference: str
    operation: Literal["eq", "ne", "like", "ilike"]

    def grade(self, case: Case) -> float:
        """Raises MissingVariableError."""
        found, wanted = case.fill(self.input), case.fill(self.reference)
        holds = {
            "eq": found == wanted,
            "ne": found != wanted,
            "like": wanted in found,
            "ilike": wanted.lower() in found.lower(),
        }
        return float(holds[self.operation])


class TextSimilarity(Body):
    """How alike two texts are, from 0 to 1."""

    type: Literal["text_similarity"]
    name: str
    input: str
    reference: str
    evaluation_metric: Likeness

    def grade(self, case: Case) -> float:
        """Raises MissingVariableError."""
        return LIKENESS[self.evaluation_metric](case.fill(self.input), case.fill(self.reference))


Leaf = Annotated[StringCheck | TextSimilarity, Field(discriminator="type")]


class Multi(Body):
    """Several graders, put together by a formula over their names."""

    type: Literal["multi"]
    name: str
    graders: dict[str, Leaf] = Field(min_length=1)
    calculate_output: str = Field(max_length=_LONGEST_FORMULA)

    @field_validator("graders", mode="before")
    @classmethod
    def _by_name(cls, graders: object) -> object:
        """The description of the API has one grader where its guide has several by name; both are taken."""
        single = isinstance(graders, Mapping) and isinstance(graders.get("type"), str)
        return {graders.get("name", "grader"): graders} if single and isinstance(graders, Mapping) else graders

    @model_validator(mode="after")
    def _formula_can_be_worked_out(self) -> Self:
        calculate(self.calculate_output, dict.fromkeys(self.graders, 0.5))
        return self

    def grade(self, case: Case) -> float:
        """Raises MissingVariableError."""
        return calculate(self.calculate_output, self.parts(case))

    def parts(self, case: Case) -> dict[str, float]:
        """The reward of each. Raises MissingVariableError."""
        return {name: grader.grade(case) for name, grader in self.graders.items()}


AnyGrader = Annotated[StringCheck | TextSimilarity | Multi, Field(discriminator="type")]


def grader_of(text: str) -> AnyGrader:
    """A grader from JSON. Raises ValidationError."""
    adapter: TypeAdapter[AnyGrader] = TypeAdapter(AnyGrader)
    return adapter.validate_json(text)


def leaves(grader: AnyGrader) -> list[StringCheck | TextSimilarity]:
    """The graders that compare something."""
    return list(grader.graders.values()) if isinstance(grader, Multi) else [grader]


def calculate(formula: str, values: Mapping[str, float]) -> float:
    """Work out a formula of numbers, names, + - * / ^, and a few functions. Raises ValueError."""
    try:
        return float(_term(ast.parse(formula.replace("^", "**"), mode="eval").body, values))
    except (SyntaxError, TypeError, ArithmeticError, RecursionError) as problem:
        raise ValueError(f"the formula cannot be worked out: {type(problem).__name__}") from None


def _term(node: ast.expr, values: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_term(left, values), _term(right, values))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_term(operand, values))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_term(one, values) for one in arguments))
    raise ValueError("the formula takes numbers, the graders' names, + - * / ^ and " + ", ".join(_FUNCTIONS))


def _found(value: object, path: list[str], name: str) -> str:
    for key in path:
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise MissingVariableError(name)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _json(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise MissingVariableError("sample.output_json") from None
