import json
import logging

import pandas as pd
import pytest

from data_contracts.records import EXAMPLE_COLUMNS
from tasks.curate.validate import examine, validate
from tasks.errors import ConfigurationError, ContractError
from tests.curate.cases import contract

COLUMNS = {"id": {}, "text": {}, "label": {}, "plan": {}}
MAPPING = {"id": "id", "input": "text", "output": "label", "slices": ["plan"]}
CANARY = "zebra-4711"


def parquet(folder, rows):
    """A curated file of so many rows, every other one on the free plan; the canary stands in each text."""
    numbers = range(1, rows + 1)
    columns = dict.fromkeys(EXAMPLE_COLUMNS, "")
    frame = pd.DataFrame({name: [value] * rows for name, value in columns.items()}).assign(
        id=[f"r{number}" for number in numbers],
        input=[f"Where is parcel {number}? {CANARY}" for number in numbers],
        output=["delivery" if number % 3 else f"{CANARY}-label" for number in numbers],
        slices=[json.dumps({"plan": "free" if number % 2 else "paid"}) for number in numbers],
        line=[*numbers],
    )
    frame.astype({"line": "int64"}).to_parquet(folder / "curated.parquet", index=False)
    return folder / "curated.parquet"


@pytest.fixture(scope="module")
def curated(tmp_path_factory):
    return parquet(tmp_path_factory.mktemp("curated"), 30)


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
    assert validated.curated == curated
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


def test_what_is_tolerated_is_counted_and_named_too(curated):
    kwargs = {"column": "plan", "value_set": ["free"], "mostly": 0.4}
    result = validate(curated, expecting(("expect_column_values_to_be_in_set", kwargs, "critical"))).results[-1]
    assert (result.success, result.unexpected, result.unexpected_ids[:2]) == (True, 15, ["r2", "r4"])


def test_results_name_at_most_twenty_rows(curated):
    rules = expecting(("expect_column_values_to_be_in_set", {"column": "input", "value_set": ["x"]}, "warning"))
    result = examine(curated, rules)[1]
    assert result.unexpected == 30 and len(result.unexpected_ids) == 20


def test_no_text_of_a_row_stands_in_results_errors_or_logs(curated, caplog):
    caplog.set_level(logging.DEBUG)
    texts = ["input", "output"]
    rules = expecting(
        *(("expect_column_values_to_be_in_set", {"column": name, "value_set": ["x"]}, "warning") for name in texts),
        *(
            ("expect_column_distinct_values_to_be_in_set", {"column": name, "value_set": ["x"]}, "info")
            for name in texts
        ),
        *(
            ("expect_column_most_common_value_to_be_in_set", {"column": name, "value_set": ["x"]}, "info")
            for name in texts
        ),
        *(("expect_column_values_to_be_between", {"column": name, "min_value": 1}, "warning") for name in texts),
        *(("expect_column_max_to_be_between", {"column": name, "max_value": 1}, "warning") for name in texts),
        ("expect_column_pair_values_to_be_equal", {"column_A": "input", "column_B": "output"}, "warning"),
        ("expect_select_column_values_to_be_unique_within_record", {"column_list": texts}, "warning"),
        ("expect_column_values_to_match_regex", {"column": "input", "regex": "^x"}, "critical"),
    )
    with pytest.raises(ContractError) as caught:
        validate(curated, rules)
    assert "30 rows, such as r1" in str(caught.value)
    assert CANARY not in f"{examine(curated, rules)!r} {caught.value!r} {caught.value} {caplog.text}"


def test_a_figure_that_may_be_a_row_s_own_value_is_not_told(curated):
    rules = expecting(
        ("expect_column_max_to_be_between", {"column": "line", "max_value": 1}, "warning"),
        ("expect_column_mean_to_be_between", {"column": "line", "max_value": 1}, "warning"),
    )
    assert [result.problem for result in examine(curated, rules)[1:]] == ["", "found 15.5"]


def test_results_stand_in_the_order_of_the_contract_whatever_columns_they_share(curated):
    rules = expecting(
        ("expect_column_values_to_be_unique", {"column": "id"}, "critical"),
        ("expect_column_values_to_not_be_null", {"column": "input"}, "critical"),
        ("expect_table_columns_to_match_set", {"column_set": ["id"], "exact_match": False}, "critical"),
        ("expect_column_value_lengths_to_be_between", {"column": "id", "max_value": 1}, "warning"),
        ("expect_column_to_exist", {"column": "messages"}, "critical"),
        ("expect_table_column_count_to_be_between", {"min_value": len(EXAMPLE_COLUMNS)}, "critical"),
    )
    results = examine(curated, rules)[1:]
    assert [result.type for result in results] == [expectation.type for expectation in rules.expectations]
    assert [result.success for result in results] == [True, True, True, False, True, True]


def test_a_condition_on_another_column_is_followed(curated):
    kwargs = {"column": "line", "max_value": 29, "row_condition": 'plan == "free"', "condition_parser": "pandas"}
    result = examine(curated, expecting(("expect_column_values_to_be_between", kwargs, "critical")))[-1]
    assert result.success, result.problem


@pytest.mark.parametrize(
    ("kwargs", "problem"),
    [({"column": "gone", "min_value": 1}, "no such column"), ({"column": "input", "min_value": 1}, "not be evaluated")],
)
def test_an_expectation_that_cannot_be_evaluated_stops_the_run_even_as_a_warning(curated, kwargs, problem):
    rules = expecting(("expect_column_values_to_be_between", kwargs, "warning"))
    with pytest.raises(ContractError, match=problem):
        validate(curated, rules)


def test_an_empty_frame_never_passes_even_without_expectations(tmp_path):
    empty = parquet(tmp_path, 0)
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
