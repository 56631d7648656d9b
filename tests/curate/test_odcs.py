import socket
import sys

import pytest

from data_contracts.load import load
from tasks.curate.odcs import export, from_odcs
from tasks.errors import ConfigurationError
from tests.curate.cases import contract

pytest.importorskip("datacontract")

FOREIGN = """
kind: DataContract
apiVersion: v3.1.0
id: tickets-4711
name: tickets
version: 2.0.0
status: active
schema:
  - name: tickets
    properties:
      - {name: ticket, logicalType: string, primaryKey: true, required: true}
      - name: text
        logicalType: string
        required: true
        quality:
          - type: custom
            engine: great-expectations
            severity: error
            implementation: {type: expect_column_value_lengths_to_be_between, kwargs: {min_value: 5}}
          - {type: text, description: Written by customers}
      - {name: label, logicalType: string, required: true}
      - {name: opened, logicalType: timestamp}
"""
TRICKY = {
    "version": "1.10",
    "owner": "no",
    "columns": {
        "id": {},
        "talk": {"type": "messages", "description": "1:30 → 2"},
        "at": {"type": "datetime", "required": False},
    },
    "mapping": {"id": "id", "messages": "talk", "created_at": "at", "compare": "last_user"},
    "labels": {"yes": "", "1e3": "0777", "null": "# none"},
    "output_schema": {"type": "object", "const": None, "properties": {"n": {"minimum": 0.1}}},
    "expectations": [
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "id", "regex": r"^\d+ '\"$"}},
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "input_chars", "min_value": 1, "max_value": None, "mostly": 0.99},
            "severity": "info",
            "notes": "off",
        },
    ],
}


@pytest.fixture(params=["support_intents", "order_mails", "tricky", "smallest"])
def rules(request):
    own = {"tricky": lambda: contract(**TRICKY), "smallest": contract}
    return own[request.param]() if request.param in own else load(request.param).contract


def test_a_contract_comes_back_as_it_was(rules):
    back = from_odcs(export(rules))
    assert back == rules
    assert list(back.columns) == list(rules.columns) and list(back.labels) == list(rules.labels)


def test_what_is_exported_passes_datacontract_lint_without_a_network(rules, monkeypatch):
    from datacontract.data_contract import DataContract

    def refused(*_):
        raise AssertionError("it asked the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    found = DataContract(data_contract_str=export(rules)).lint()
    assert [(check.result, check.name) for check in found.checks] == [
        ("passed", "Data contract is valid against ODCS v3.2.0")
    ]


def test_others_read_columns_labels_and_expectations_where_the_standard_has_them():
    from open_data_contract_standard.model import OpenDataContractStandard

    schema = OpenDataContractStandard.from_string(export(load("support_intents").contract)).schema_[0]
    columns = {column.name: column for column in schema.properties}
    assert columns["received_at"].logicalType == "timestamp"
    assert columns["id"].primaryKey
    assert [entry.value for entry in columns["intent"].enum][:2] == ["card_delivery", "card_refused"]
    assert schema.quality[0].implementation["type"] == "expect_table_row_count_to_be_between"
    assert {rule.engine for rule in schema.quality} == {"greatExpectations"}


def test_a_contract_of_others_is_read_with_a_mapping_by_usual_names():
    found = from_odcs(FOREIGN)
    assert (found.name, found.version) == ("tickets", "2.0.0")
    assert (found.mapping.id, found.mapping.input, found.mapping.output) == ("ticket", "text", "label")
    assert (found.columns["opened"].type, found.columns["opened"].required) == ("datetime", False)
    rule = found.expectations[0]
    assert len(found.expectations) == 1, "a rule in words says nothing to run"
    assert (rule.kwargs, rule.severity) == ({"column": "input", "min_value": 5}, "critical")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("name: label", "name: tag", "which column is the input .*property: mapping"),
        ("implementation: {type: expect_column", "implementation: {rule: expect_column", "expectation is written down"),
        ("great-expectations", "soda", "no expectation is written down for it"),
        ("logicalType: timestamp", "logicalType: vector", "opened.logicalType: .vector. is not one of"),
        ("kind: DataContract", "kind: Nonsense", "kind"),
        ("version: 2.0.0", "", "version"),
        ("primaryKey: true", "primaryKey: &a true, unique: *a", "alias"),
        ("schema:", "schema: {", "flow node .* line 9"),
        ("schema:", "schema:\n  - {name: more}", "2 schemas"),
    ],
)
def test_what_has_no_counterpart_is_refused_with_its_reason(old, new, problem):
    with pytest.raises(ConfigurationError, match=problem):
        from_odcs(FOREIGN.replace(old, new, 1))


def test_without_the_extra_the_command_to_install_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datacontract.data_contract", None)
    for work in (lambda: export(contract()), lambda: from_odcs(FOREIGN)):
        with pytest.raises(ConfigurationError, match=r"pip install tunegate\[odcs\]"):
            work()
