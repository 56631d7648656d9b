"""The contract's expectations, run by Great Expectations; results name rows by id and hold none of their text."""

import json
import logging
from typing import Any

import pandas as pd

from data_contracts.contract import Contract, Expectation
from data_contracts.records import Curated, ExpectationResult, Validated
from tasks.errors import ConfigurationError, ContractError

MAX_IDS = 20
SOME_ROWS = Expectation(type="expect_table_row_count_to_be_between", kwargs={"min_value": 1}, notes="No empty data")


def validate(curated: Curated, contract: Contract) -> Validated:
    """The curated rows with a result for each expectation; raises ContractError if a critical one does not hold."""
    results = examine(curated.rows, contract)
    broken = [result for result in results if result.severity == "critical" and not result.success]
    if broken:
        raise ContractError(
            f"Contract {contract.name} {contract.version}",
            "; ".join(_sentence(result) for result in broken),
            "Mend these rows at the source, or change the contract with its owner.",
        )
    return Validated(curated, results)


def examine(rows: pd.DataFrame, contract: Contract) -> list[ExpectationResult]:
    """How the rows do on each expectation, in the contract's order. An empty frame never passes.

    An expectation that cannot be evaluated counts as critical and broken, whatever severity it was given.
    """
    expectations = [*([] if _demands_rows(contract) else [SOME_ROWS]), *contract.expectations]
    frame = _frame(rows, contract.mapping.slices)
    found = _run(frame, expectations, contract)
    return [_result(expectation, found[at], list(frame)) for at, expectation in enumerate(expectations)]


def _demands_rows(contract: Contract) -> bool:
    return any(
        expectation.type == SOME_ROWS.type
        and expectation.severity == "critical"
        and expectation.kwargs.get("min_value", 0) > 0
        for expectation in contract.expectations
    )


def _frame(rows: pd.DataFrame, slices: list[str]) -> pd.DataFrame:
    """What expectations see: the columns of EXAMPLE_COLUMNS, both lengths, and each declared slice as a column."""
    values = [json.loads(text) for text in rows["slices"]] if slices else []
    columns = {name: [row[name] for row in values] for name in slices}
    return rows.assign(input_chars=rows["input"].str.len(), output_chars=rows["output"].str.len(), **columns)


def _run(frame: pd.DataFrame, expectations: list[Expectation], contract: Contract) -> dict[int, Any]:
    """Great Expectations' results by position; it returns them in an order of its own."""
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it reports each temporary folder
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("examples")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    natives = [_native(expectation, at, contract) for at, expectation in enumerate(expectations)]
    suite = gx.ExpectationSuite(name=contract.name, expectations=natives)
    validation = batch.validate(
        suite,
        result_format={
            "result_format": "SUMMARY",
            "unexpected_index_column_names": ["id"],
            "partial_unexpected_count": MAX_IDS,
            "include_unexpected_rows": False,
        },
    )
    return {result.expectation_config.meta["position"]: result for result in validation.results}


def _native(expectation: Expectation, position: int, contract: Contract) -> Any:  # noqa: ANN401 - a class of GX
    from great_expectations.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    where = f"Contract {contract.name}, {expectation.type}"
    try:
        configuration = ExpectationConfiguration(
            type=expectation.type, kwargs=expectation.kwargs, meta={"position": position}
        )
        return configuration.to_domain_obj()
    except ExpectationNotFoundError as error:
        raise ConfigurationError(where, "Great Expectations has no such expectation", "Check its name.") from error
    except (TypeError, ValueError) as error:
        problem = f"its kwargs do not fit: {' '.join(str(error).split())}"
        raise ConfigurationError(where, problem, "Mend them.") from error


def _result(expectation: Expectation, found: Any, columns: list[str]) -> ExpectationResult:  # noqa: ANN401 - of GX
    column = expectation.kwargs.get("column")
    raised = _raised(found.exception_info)
    if raised is not None and column is not None and column not in columns:
        raised = f"there is no such column; there are {', '.join(columns)}"
    observed = found.result.get("observed_value")
    is_figure = isinstance(observed, int | float) and not found.success
    return ExpectationResult(
        type=expectation.type,
        column=column,
        severity=expectation.severity if raised is None else "critical",
        success=bool(found.success) and raised is None,
        unexpected=found.result.get("unexpected_count") or 0,
        unexpected_ids=[item["id"] for item in found.result.get("partial_unexpected_index_list") or ()][:MAX_IDS],
        notes=expectation.notes,
        problem=raised or (f"found {observed:g}" if is_figure else ""),
    )


def _raised(info: dict[str, Any]) -> str | None:
    """The kind of exception that kept an expectation from being evaluated; its message may quote a row.

    Great Expectations reports one of a metric (a missing column, say) one level deeper, under the metric's id.
    """
    for entry in (info, *(value for value in info.values() if isinstance(value, dict))):
        if entry.get("raised_exception"):
            last_line = str(entry.get("exception_traceback")).strip().splitlines()[-1]
            return f"it could not be evaluated ({last_line.partition(':')[0].rpartition('.')[2]})"
    return None


def _sentence(result: ExpectationResult) -> str:
    """What broke, by count and a few ids."""
    where = f" on `{result.column}`" if result.column else ""
    rows = f"{result.unexpected} rows, such as {', '.join(result.unexpected_ids[:5])}" if result.unexpected_ids else ""
    return f"{result.type}{where} does not hold: {rows or result.problem or f'{result.unexpected} values'}"
