"""`tunegate forget`: a data subject's rows deleted wherever they are, and what is to be known about it."""

import getpass
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from data_contracts.load import load
from data_contracts.records import as_json
from data_contracts.redaction import Forgetting, ForgottenInRun, LearntModel
from data_contracts.use_case import ResolvedUseCase
from tasks.errors import ConfigurationError


def forget(use_case: str, ids: Sequence[str], by: str | None = None, reason: str = "") -> dict[str, Any]:
    """Delete rows by id; the plain form of `Forgetting`. A repetition finds nothing left, and finishes what was cut."""
    from tasks.steps import forgetting

    case = _case(use_case)
    name = case.use_case.name if case else use_case
    wish = forgetting.Wish(name, frozenset(ids), by or getpass.getuser(), reason, case)
    with Console(stderr=True).status("Looking for the rows ...") as status:
        found = forgetting.forget(wish, lambda what, done, total: status.update(f"{what}: {done} of {total}"))
    return as_json(found) | {"nothing_left": found.nothing_left}


def show(content: dict[str, Any]) -> None:
    """What was deleted where, what stays and why, and the models that learnt from the rows."""
    found = Forgetting.model_validate({name: value for name, value in content.items() if name != "nothing_left"})
    console = Console()

    def say(title: str, lines: Sequence[str]) -> None:
        for number, line in enumerate(lines):
            console.print(f"{'' if number else title:18} {line}", soft_wrap=True, highlight=False, markup=False)

    say("forgotten", [_sentence(found)])
    say("runs", [_run(item) for item in found.runs])
    say("ledger", [f"{found.answers} answers deleted"] if found.answers else [])
    say("MLflow", found.registry)
    say("answers change", [f"{line}: its few-shot examples are without these rows" for line in found.changed])
    say("production", found.production)
    say("provider", found.provider)
    say("learnt from them", [_model(item) for item in found.models])
    say("yours to delete", found.sources)
    say("stays", found.stays)
    say("kept on purpose", found.keeps)


def _case(use_case: str) -> ResolvedUseCase | None:
    """The use case; None of one whose file is gone: it is known by its runs."""
    from tasks.steps.forgetting import run_folders

    try:
        return load(use_case)
    except ConfigurationError:
        if any(run_folders(use_case)):
            return None
        raise


def _sentence(found: Forgetting) -> str:
    if found.nothing_left:
        return (
            "No row with such an id is in any run here: it was never read, or was emptied before. If the id is right, "
            "nothing is left; later trials leave it out. Check its spelling."
        )
    also = f", {found.same_words} of them under other ids with the same words" if found.same_words else ""
    runs = sum(run.rows > 0 for run in found.runs)
    return f"{found.rows} rows emptied in {runs} runs{also}. Later trials leave them out."


def _run(item: ForgottenInRun) -> str:
    restart = "; it had not ended and cannot be resumed: start a new trial" if item.to_be_replaced else ""
    return f"{item.run}: {item.rows} rows, {len(item.files)} files rewritten{restart}"


def _model(item: LearntModel) -> str:
    there = {True: "", False: " (gone)", None: " (not asked)"}[item.exists]
    role = f"{item.role} of {item.use_case}" if item.role != "none" else f"not registered for {item.use_case}"
    trained = f"job {item.job} at {item.provider}, trained in {', '.join(item.runs)}"
    return f"{item.model}{there}, {role}, {trained}. {item.next}"
