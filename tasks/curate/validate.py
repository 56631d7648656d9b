"""The contract's expectations, run by Great Expectations; results name rows by id and hold none of their text."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.contract import Contract, Expectation
from data_contracts.records import ExpectationResult, Validated
from tasks.curate.contract_frames import ContractFrames, Place
from tasks.errors import ConfigurationError, ContractError

MAX_IDS = 20
PASSED = {"result_format": "BOOLEAN_ONLY"}
OFFENDERS = {  # values stand in these results too: `_result` takes counts and positions, and nothing else
    "result_format": "SUMMARY",
    "partial_unexpected_count": MAX_IDS,
    "include_unexpected_rows": False,
}
SOME_ROWS = Expectation(type="expect_table_row_count_to_be_between", kwargs={"min_value": 1}, notes="No empty data")


def validate(curated: Path, contract: Contract) -> Validated:
    """The curated rows with a result for each expectation; raises ContractError if a critical one does not hold."""
    results = examine(curated, contract)
    require(results, contract)
    return Validated(curated, results)


def require(results: Sequence[ExpectationResult], contract: Contract) -> None:
    """Raise ContractError, with counts and a few ids, if a critical expectation does not hold."""
    broken = [result for result in results if result.severity == "critical" and not result.success]
    if broken:
        raise ContractError(
            f"Contract {contract.name} {contract.version}",
            "; ".join(_sentence(result) for result in broken),
            "Mend these rows at the source, or change the contract with its owner.",
        )


def examine(curated: Path, contract: Contract) -> list[ExpectationResult]:
    """How the rows do on each expectation, in the contract's order. Empty data never passes.

    An expectation that cannot be evaluated counts as critical and broken, whatever severity it was given.
    """
    expectations = [*([] if _demands_rows(contract) else [SOME_ROWS]), *contract.expectations]
    frames = ContractFrames(curated, contract.mapping.slices)
    run, found = _Run(contract), {}
    for frame, places in frames.groups(expectations):
        for at, result in run.results(frame, places).items():
            found[at] = _result(expectations[at], result, frames)
    return [found[at] for at in range(len(expectations))]


def _demands_rows(contract: Contract) -> bool:
    return any(
        expectation.type == SOME_ROWS.type
        and expectation.severity == "critical"
        and expectation.kwargs.get("min_value", 0) > 0
        for expectation in contract.expectations
    )


class _Run:
    """Great Expectations in a context that leaves nothing behind."""

    def __init__(self, contract: Contract) -> None:
        import great_expectations as gx
        from great_expectations.execution_engine import pandas_execution_engine

        pandas_execution_engine.HASH_THRESHOLD = 0  # a fingerprint of every text, read by nobody: most of its time
        # it reports each temporary folder, and an exception of a metric with the value that raised it
        logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        self._asset = context.data_sources.add_pandas("memory").add_dataframe_asset("examples")
        self._batches = self._asset.add_batch_definition_whole_dataframe("all")
        self._contract = contract

    def results(self, frame: pd.DataFrame, places: Sequence[Place]) -> dict[int, Any]:
        """Position to result. Ids are asked for in a second pass, and only of what has offending rows to name."""
        batch = self._batches.get_batch({"dataframe": frame})
        natives = {at: _native(expectation, at, self._contract) for at, expectation in places}
        found = self._validate(batch, natives, PASSED)
        open_ = {at: natives[at] for at, expectation in places if not found[at].success or _tolerates(expectation)}
        return found | (self._validate(batch, open_, OFFENDERS) if open_ else {})

    def _validate(self, batch: Any, natives: dict[int, Any], result_format: dict[str, Any]) -> dict[int, Any]:  # noqa: ANN401 - of GX
        import great_expectations as gx

        suite = gx.ExpectationSuite(name=self._contract.name, expectations=list(natives.values()))
        results = batch.validate(suite, result_format=result_format).results  # in an order of its own
        return {result.expectation_config.meta["position"]: result for result in results}


def _tolerates(expectation: Expectation) -> bool:
    """Whether it may hold with some rows that do not."""
    return bool(expectation.kwargs.get("mostly", 1) < 1)


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


def _result(expectation: Expectation, found: Any, frames: ContractFrames) -> ExpectationResult:  # noqa: ANN401 - of GX
    column = expectation.kwargs.get("column")
    raised = _raised(found.exception_info)
    if raised is not None and column is not None and column not in frames.columns:
        raised = f"there is no such column; there are {', '.join(frames.columns)}"
    offenders = found.result.get("partial_unexpected_index_list") or []
    return ExpectationResult(
        type=expectation.type,
        column=column,
        severity=expectation.severity if raised is None else "critical",
        success=bool(found.success) and raised is None,
        unexpected=found.result.get("unexpected_count") or 0,
        unexpected_ids=frames.ids(offenders[:MAX_IDS]) if offenders else [],
        notes=expectation.notes,
        problem=raised or ("" if found.success else _figure(expectation, found.result.get("observed_value"))),
    )


def _figure(expectation: Expectation, observed: Any) -> str:  # noqa: ANN401 - of GX
    """What was counted or averaged; a single value of a column may be a row's own and is not told."""
    is_own = any(word in expectation.type for word in ("_max_", "_min_", "_median_", "_quantile_", "_sum_"))
    is_figure = isinstance(observed, int | float) and not isinstance(observed, bool)
    return f"found {observed:g}" if is_figure and not is_own else ""


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
