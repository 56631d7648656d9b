"""`tunegate doctor`: what is known to break, looked for in this installation, its servers and one use case."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from data_contracts.load import find
from data_contracts.provider import ProviderSettings
from flows.doctor import use_case_files
from flows.doctor.finding import Finding
from flows.doctor.installation import home_is_private, packages, python, room_on_disk
from flows.doctor.prefect_server import prefect_server
from flows.doctor.provider import base_models, provider
from flows.doctor.stores import ledger, mlflow_store

CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    python,
    packages,
    home_is_private,
    room_on_disk,
    ledger,
    mlflow_store,
    prefect_server,
)


def examine(use_case: str | None) -> dict[str, Any]:
    """Every finding. Raises ConfigurationError where there is no such use case; a wrong file is a finding."""
    path = find(use_case) if use_case else None
    findings = [finding for check in CHECKS for finding in check()]
    findings += _use_case(path) if path else provider(ProviderSettings())
    return {"findings": [finding.plain for finding in findings]}


def _use_case(path: Path) -> Iterator[Finding]:
    case, finding = use_case_files.read(path)
    yield finding
    yield from use_case_files.secrets([path, *(use_case_files.files_of(case) if case else [])])
    if case:
        yield from use_case_files.source(case)
        yield from base_models(case)
