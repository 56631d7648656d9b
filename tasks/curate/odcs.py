"""A contract to and from the Open Data Contract Standard, by way of datacontract-cli (`pip install tunegate[odcs]`)."""

import logging
from typing import TYPE_CHECKING, Any, get_args

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from data_contracts.contract import Column, ColumnType, Contract, Expectation, Mapping
from tasks.errors import ConfigurationError

if TYPE_CHECKING:
    from open_data_contract_standard.model import DataQuality, OpenDataContractStandard, SchemaObject, SchemaProperty

API_VERSION = "v3.2.0"  # what datacontract-cli and others read depends on it
ENGINE = "greatExpectations"
VENDOR = "tunegate"
LOGICAL_TYPES: dict[ColumnType, str] = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "datetime": "timestamp",
    "messages": "array",
    "object": "object",
}
COLUMN_TYPES: dict[str, ColumnType] = {logical: own for own, logical in LOGICAL_TYPES.items()} | {
    "date": "string",  # without an offset it is no instant
    "time": "string",
    "map": "object",
}
MESSAGE = {
    "name": "message",
    "logicalType": "object",
    "properties": [{"name": "role", "logicalType": "string"}, {"name": "content", "logicalType": "string"}],
}
USUAL_NAMES = {"input": ("input", "prompt", "question", "text"), "output": ("output", "completion", "answer", "label")}


def export(contract: Contract) -> str:
    """The contract as ODCS YAML; what the standard has no word for stands in customProperties."""
    standard = _standard()
    plain = {
        "kind": "DataContract",
        "apiVersion": API_VERSION,
        "id": contract.name,
        "name": contract.name,
        "version": contract.version,
        "status": "active",
        **({"team": {"name": contract.owner}} if contract.owner else {}),
        **({"description": {"purpose": contract.description}} if contract.description else {}),
        "schema": [_schema(contract)],
        "customProperties": _own_properties(contract),
    }
    return str(standard.model_validate(plain).to_yaml())


def from_odcs(text: str) -> Contract:
    """The contract that an ODCS document describes; raises ConfigurationError for what has no counterpart here.

    Its mapping stands in the custom property `mapping`, and is guessed from usual column names where it is missing.
    """
    found = _checked(text)
    schema = _only_schema(found)
    own = {item.property: item.value for item in found.customProperties or []}
    columns = {item.name or "": _column(item) for item in schema.properties or []}
    mapping = Mapping.model_validate(own["mapping"]) if "mapping" in own else _guessed(schema, columns)
    output = next((item for item in schema.properties or [] if item.name == mapping.output), None)
    labels = {str(entry.value): entry.description or "" for entry in (output.enum if output else None) or []}
    return Contract(
        name=found.name or found.id or "",
        version=found.version or "",
        owner=getattr(found.team, "name", None) or "",
        description=(found.description.purpose if found.description else None) or "",
        columns=columns,
        mapping=mapping,
        labels=own.get("labels") or labels,
        output_schema=own.get("outputSchema"),
        expectations=_expectations(schema, mapping),
    )


def _standard() -> "type[OpenDataContractStandard]":
    try:
        import datacontract.data_contract  # noqa: F401 - both come with the extra
        from open_data_contract_standard import model
    except ImportError as error:
        problem = "the Open Data Contract Standard needs datacontract-cli, which is not installed"
        raise ConfigurationError("tunegate contract", problem, "Run `pip install tunegate[odcs]`.") from error
    standard: type[OpenDataContractStandard] = model.OpenDataContractStandard
    return standard


def _schema(contract: Contract) -> dict[str, Any]:
    return {
        "name": contract.name,
        "physicalType": "file",
        "logicalType": "object",
        "properties": [_property(contract, name, column) for name, column in contract.columns.items()],
        **({"quality": [_rule(item) for item in contract.expectations]} if contract.expectations else {}),
    }


def _property(contract: Contract, name: str, column: Column) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": name, "logicalType": LOGICAL_TYPES[column.type], "physicalType": column.type}
    plain["required"] = column.required
    if column.description:
        plain["description"] = column.description
    if name == contract.mapping.id:
        plain |= {"primaryKey": True, "primaryKeyPosition": 1}
    if column.type == "messages":
        plain["items"] = MESSAGE
    if name == contract.mapping.output and contract.labels:
        texts = contract.labels.items()
        plain["enum"] = [{"value": label, **({"description": text} if text else {})} for label, text in texts]
    return plain


def _rule(expectation: Expectation) -> dict[str, Any]:
    return {
        "type": "custom",
        "engine": ENGINE,
        "severity": expectation.severity,
        **({"description": expectation.notes} if expectation.notes else {}),
        "implementation": {"type": expectation.type, "kwargs": expectation.kwargs},
    }


def _own_properties(contract: Contract) -> list[dict[str, Any]]:
    own: dict[str, Any] = {"mapping": contract.mapping.model_dump(exclude_defaults=True)}
    if contract.labels and not contract.mapping.output:
        own["labels"] = contract.labels
    if contract.output_schema is not None:
        own["outputSchema"] = contract.output_schema
    return [{"property": name, "value": value, "vendor": VENDOR} for name, value in own.items()]


def _checked(text: str) -> "OpenDataContractStandard":
    """The document, if it is ODCS by its own apiVersion; nothing is fetched."""
    standard = _standard()
    from datacontract.data_contract import DataContract

    try:
        if any(type(token).__name__ == "AliasToken" for token in YAML(typ="safe", pure=True).scan(text)):
            raise ConfigurationError("ODCS", "it uses a YAML alias (*name)", "Write the value out.")
    except YAMLError as error:
        raise ConfigurationError("ODCS", f"it is no YAML: {_line(error)}", "Mend it there.") from error
    logging.getLogger("datacontract").setLevel(logging.CRITICAL)  # what is wrong stands in the error
    checks = DataContract(data_contract_str=text, inline_references=False, all_errors=True).lint().checks
    wrong = [_line(check.reason) for check in checks if check.result in ("failed", "error")]
    if wrong:
        raise ConfigurationError("ODCS", "; ".join(wrong), "`datacontract lint` says the same.")
    try:
        found = standard.from_string(text)
    except ValueError as error:  # pydantic's, whose text would quote the file
        raise ConfigurationError("ODCS", "it has not the shape of ODCS", "`datacontract lint` says where.") from error
    if found.kind != "DataContract":
        raise ConfigurationError("ODCS", "it is not of `kind: DataContract`", "Export it as ODCS first.")
    return found


def _line(problem: object) -> str:
    return " ".join(str(problem).split()).rstrip(".")


def _only_schema(found: "OpenDataContractStandard") -> "SchemaObject":
    schemas = found.schema_ or []
    if len(schemas) != 1:
        remedy = "Keep the one that holds the examples."
        raise ConfigurationError("ODCS", f"it describes {len(schemas)} schemas, not one", remedy)
    return schemas[0]


def _column(item: "SchemaProperty") -> Column:
    own = item.physicalType if item.physicalType in get_args(ColumnType) else None
    kind = own or COLUMN_TYPES.get(item.logicalType or "string")
    if kind is None:
        known = ", ".join(COLUMN_TYPES)
        raise ConfigurationError(f"ODCS, {item.name}", f"no column is a {item.logicalType}", f"There are: {known}.")
    return Column.model_validate({"type": kind, "required": bool(item.required), "description": item.description or ""})


def _guessed(schema: "SchemaObject", columns: dict[str, Column]) -> Mapping:
    key = next((item.name for item in schema.properties or [] if item.primaryKey), None)
    messages = next((name for name, column in columns.items() if column.type == "messages"), None)
    if messages:
        return Mapping(id=key, messages=messages)
    parts = {part: next((name for name in names if name in columns), None) for part, names in USUAL_NAMES.items()}
    if None in parts.values():
        problem = "it does not say which column is the input and which the expected output"
        remedy = "Add `customProperties: [{property: mapping, value: {input: COLUMN, output: COLUMN}}]`."
        raise ConfigurationError("ODCS", problem, remedy)
    return Mapping(id=key, **parts)


def _expectations(schema: "SchemaObject", mapping: Mapping) -> list[Expectation]:
    """Rules of the schema and of its properties. An expectation sees curated columns: `input`, not the source's."""
    curated = {column: part for part, column in mapping.model_dump(exclude={"slices", "compare"}).items() if column}
    rules = [(rule, None) for rule in schema.quality or []]
    for item in schema.properties or []:
        rules += [(rule, curated.get(item.name, item.name)) for rule in item.quality or []]
    return [_expectation(rule, column) for rule, column in rules if rule.type != "text"]


def _expectation(rule: "DataQuality", column: str | None) -> Expectation:
    made = rule.implementation
    if (
        (rule.engine or "").replace("-", "").lower() != ENGINE.lower()
        or not isinstance(made, dict)
        or "type" not in made
    ):
        what = rule.name or rule.metric or rule.rule or rule.description or rule.type
        remedy = f"Write it as `type: custom, engine: {ENGINE}, implementation: {{type: expect_..., kwargs: ...}}`."
        raise ConfigurationError(f"ODCS, quality rule {what}", "no expectation is written down for it", remedy)
    severity = rule.severity if rule.severity in ("critical", "warning", "info") else "critical"
    return Expectation.model_validate(
        {
            "type": made["type"],
            "kwargs": ({"column": column} if column else {}) | (made.get("kwargs") or {}),
            "severity": severity,
            "notes": rule.description or "",
        }
    )
