import pytest

from data_contracts.data_policy import Curation
from tasks.curate.clean import clean
from tasks.curate.validate import examine, validate
from tasks.errors import ConfigurationError, ContractError
from tests.curate.cases import contract, jsonl, read_file, row

COLUMNS = {"id": {}, "text": {}, "label": {}, "plan": {}}
MAPPING = {"id": "id", "input": "text", "output": "label", "slices": ["plan"]}


@pytest.fixture
def curated(tmp_path):
    rows = [row(number, plan="free" if number % 2 else "paid") for number in range(1, 31)]
    rules = contract(columns=COLUMNS, mapping=MAPPING)
    return clean(read_file(tmp_path / "rows.jsonl", jsonl(*rows), rules=rules), Curation())


def expecting(*expectations):
    """A contract with these (type, kwargs, severity)."""
    plain = [{"type": kind, "kwargs": kwargs, "severity": severity} for kind, kwargs, severity in expectations]
    return contract(columns=COLUMNS, mapping=MAPPING, expectations=plain)


def test_rows_that_hold_to_the_contract_pass_with_a_result_for_each_expectation(curated):
    rules = expecting(
        ("expect_column_values_to_be_in_set", {"column": "plan", "value_set": ["free", "paid"]}, "critical"),
        ("expect_column_values_to_be_between", {"column": "input_chars", "min_value": 5}, "warning"),
        ("expect_column_values_to_be_unique", {"column": "id"}, "critical"),
    )
    validated = validate(curated, rules)
    assert validated.curated is curated
    assert [(result.column, result.success) for result in validated.results] == [
        (None, True),  # that there are any rows
        ("plan", True),
        ("input_chars", True),
        ("id", True),
    ]


def test_a_broken_critical_expectation_stops_the_run_with_contract_column_count_and_ids(curated):
    rules = expecting(("expect_column_values_to_be_in_set", {"column": "plan", "value_set": ["free"]}, "critical"))
    with pytest.raises(ContractError, match=r"tickets 1\.0\.0.*in_set on `plan`.*15 rows, such as r2, r4"):
        validate(curated, rules)


def test_a_broken_warning_is_recorded_and_lets_the_rows_pass(curated):
    rules = expecting(("expect_column_values_to_be_in_set", {"column": "plan", "value_set": ["free"]}, "warning"))
    result = validate(curated, rules).results[-1]
    assert (result.success, result.unexpected, result.severity) == (False, 15, "warning")


def test_results_name_at_most_twenty_rows_and_quote_none(curated):
    rules = expecting(
        ("expect_column_values_to_be_in_set", {"column": "input", "value_set": ["x"]}, "warning"),
        ("expect_column_distinct_values_to_be_in_set", {"column": "input", "value_set": ["x"]}, "warning"),
        ("expect_column_values_to_be_between", {"column": "input", "min_value": 1}, "warning"),
    )
    results = examine(curated.rows, rules)
    assert results[1].unexpected == 30 and len(results[1].unexpected_ids) == 20
    assert "parcel" not in repr(results)


@pytest.mark.parametrize(
    ("kwargs", "problem"),
    [({"column": "gone", "min_value": 1}, "no such column"), ({"column": "input", "min_value": 1}, "not be evaluated")],
)
def test_an_expectation_that_cannot_be_evaluated_stops_the_run_even_as_a_warning(curated, kwargs, problem):
    rules = expecting(("expect_column_values_to_be_between", kwargs, "warning"))
    with pytest.raises(ContractError, match=problem):
        validate(curated, rules)


def test_an_empty_frame_never_passes_even_without_expectations(tmp_path):
    empty = clean(read_file(tmp_path / "rows.jsonl", b""), Curation())
    with pytest.raises(ContractError, match="expect_table_row_count_to_be_between"):
        validate(empty, contract())


@pytest.mark.parametrize(
    "broken",
    [
        ("expect_nonsense", {"column": "input"}, "critical"),
        ("expect_column_values_to_be_between", {"colum": "input"}, "critical"),
    ],
)
def test_an_expectation_that_does_not_exist_is_a_wrong_configuration(curated, broken):
    with pytest.raises(ConfigurationError, match=broken[0]):
        validate(curated, expecting(broken))
