"""The fields of a JSON answer: from a JSON Schema, or from objects already seen. An answer is a value for each."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

Path = tuple[str, ...]
_DEEPEST = 6


class Absent:
    """The value of a key that is left out."""


ABSENT = Absent()


@dataclass(frozen=True, eq=False)
class Field:
    """One place in an answer. `schema` is what it must hold, {} where nothing is known."""

    path: Path
    schema: dict[str, Any] = field(default_factory=dict)
    required: bool = True

    @property
    def said(self) -> str:
        """The words about it: its name and what schemas describe."""
        return " ".join([*self.path[-1:], *(str(part["description"]) for part in self.parts if "description" in part)])

    def said_of(self, value: object) -> str:
        """What the schema describes of one of its values; for true that is what it says of the field."""
        if value is True:
            return self.said
        return " ".join(
            str(part["description"])
            for part in self.parts
            if part.get("const", ABSENT) == value and "description" in part
        )

    @cached_property
    def parts(self) -> list[dict[str, Any]]:
        """The schema with the branches of anyOf and oneOf, null's own left out."""
        branches = [*self.schema.get("anyOf", []), *self.schema.get("oneOf", [])]
        return [part for part in (self.schema, *branches) if isinstance(part, dict) and part.get("type") != "null"]

    @cached_property
    def allowed(self) -> list[Any] | None:
        """Every value it may have, where the schema lists them."""
        listed = [
            value for part in self.parts for value in part.get("enum", [part["const"]] if "const" in part else [])
        ]
        if not listed and "boolean" in self.types:
            listed = [True, False]
        return listed + [None] * (self.nullable and None not in listed) if listed else None

    @cached_property
    def types(self) -> set[str]:
        """JSON types, null aside; empty where any will do."""
        found = [part.get("type", []) for part in self.parts]
        return {name for one in found for name in ([one] if isinstance(one, str) else one)} - {"null"}

    @property
    def has_looks(self) -> bool:
        """Whether the schema says what a value looks like."""
        numeric = bool(self.types) and self.types <= {"integer", "number"}
        return numeric or any({"pattern", "format"} & part.keys() for part in self.parts)

    @cached_property
    def nullable(self) -> bool:
        """Whether null fits."""
        return self.accepts(None)

    @cached_property
    def _validator(self) -> Draft202012Validator:
        return Draft202012Validator(self.schema, registry=Registry())

    def accepts(self, value: object) -> bool:
        """Whether a value fits the schema. One that cannot be checked fits."""
        if isinstance(value, Absent):
            return not self.required
        try:
            return bool(self._validator.is_valid(value))
        except (SchemaError, ValidationError, Unresolvable, re.error, RecursionError):
            return True

    def default(self) -> object:
        """The emptiest value that fits."""
        emptiest = [ABSENT, None, *(self.allowed or []), "", 0, 1, False, [], {}]
        return next((value for value in emptiest if self.accepts(value)), None)


def fields_of_schema(schema: dict[str, Any]) -> tuple[Field, ...]:
    """The leaves of an object's schema; none where it has no properties."""
    return _fields_of_schema(json.dumps(schema))


@lru_cache(maxsize=256)
def _fields_of_schema(schema: str) -> tuple[Field, ...]:
    root = json.loads(schema)
    return tuple(field for field in _leaves(root, root, ()) if field.path)


def fields_of_objects(objects: Sequence[Mapping[str, Any]]) -> list[Field]:
    """The leaves of objects, in the order in which they were first seen."""
    paths = dict.fromkeys(path for value in objects for path in _paths(value))
    leaves = [path for path in paths if not any(path == other[: len(path)] != other for other in paths)]
    return [_field(path, [value_at(one, path) for one in objects]) for path in leaves]


def value_at(value: object, path: Path) -> object:
    """What stands there: ABSENT where a key is missing, null where something above is null."""
    for key in path:
        if value is None:
            return None
        if not isinstance(value, dict) or key not in value:
            return ABSENT
        value = value[key]
    return value


def nested(leaves: Mapping[Path, Any]) -> dict[str, Any]:
    """The object with these leaves; absent ones are left out."""
    root: dict[str, Any] = {}
    for path, value in leaves.items():
        if isinstance(value, Absent):
            continue
        inner = root
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = value
    return root


def as_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, fenced or not; None if it is none."""
    stripped = re.sub(r"^```\w*\s*|\s*```$", "", text.strip())
    try:
        value = orjson.loads(stripped)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _field(path: Path, values: Sequence[object]) -> Field:
    never_null = {} if None in values else {"not": {"type": "null"}}
    return Field(path, never_null, required=not any(value is ABSENT for value in values))


def _paths(value: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """Lists and empty objects are leaves."""
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _paths(inner, (*path, key))
        else:
            yield (*path, key)


def _leaves(schema: dict[str, Any], root: dict[str, Any], path: Path, required: bool = True) -> Iterator[Field]:
    schema = _resolved(schema, root)
    unions = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    with_properties: dict[str, Any] = next((part for part in (schema, *unions) if "properties" in part), {})
    properties, required_keys = with_properties.get("properties"), with_properties.get("required", [])
    if not isinstance(properties, dict) or not properties or len(path) > _DEEPEST:
        yield Field(path, _with_definitions(schema, root), required)
        return
    for key, inner in properties.items():
        needed = required and key in required_keys
        yield from _leaves(inner if isinstance(inner, dict) else {}, root, (*path, key), needed)


def _resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference into the same document; what stands beside it stays."""
    for _ in range(_DEEPEST):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        target: Any = root
        for key in reference[2:].split("/"):
            target = target.get(key, {}) if isinstance(target, dict) else {}
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    for union in ("anyOf", "oneOf"):
        if union in schema:
            schema = {**schema, union: [_resolved(branch, root) for branch in schema[union]]}
    return schema


def _with_definitions(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    return {**schema, **{key: root[key] for key in ("$defs", "definitions") if key in root}}
