"""`tunegate doctor`: what is known to break, looked for in this installation, its servers and one use case."""

from collections.abc import Callable, Iterator
from typing import Any

from data_contracts.load import find, load
from data_contracts.use_case import Provider, ResolvedUseCase
from flows.doctor.finding import Finding, broken, fine
from flows.doctor.installation import home_is_private, packages, python, room_on_disk
from flows.doctor.prefect_server import prefect_server
from flows.doctor.provider import base_models, provider
from flows.doctor.stores import ledger, mlflow_store
from flows.doctor.use_case_files import secrets_in_files, source
from tasks.errors import ConfigurationError

OF_THE_INSTALLATION: tuple[Callable[[], Iterator[Finding]], ...] = (
    python,
    packages,
    home_is_private,
    room_on_disk,
    ledger,
    mlflow_store,
    prefect_server,
)
OF_A_USE_CASE: tuple[Callable[[ResolvedUseCase], Iterator[Finding]], ...] = (secrets_in_files, source, base_models)


def examine(use_case: str | None) -> dict[str, Any]:
    """Every finding. Raises ConfigurationError where there is no such use case; a wrong file is a finding."""
    path = str(find(use_case)) if use_case else None
    findings = [finding for check in OF_THE_INSTALLATION for finding in check()]
    findings += _use_case(path) if path else provider(Provider())
    return {"findings": [finding.plain for finding in findings]}


def _use_case(path: str) -> Iterator[Finding]:
    try:
        case = load(path)
    except ConfigurationError as error:
        yield broken("use case", f"{error.where}: {error.problem}", error.remedy)
        return
    yield fine("use case", f"{path} and its contract {case.contract.version} can be read")
    for check in OF_A_USE_CASE:
        yield from check(case)
