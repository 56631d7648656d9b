"""`tunegate promote` and `tunegate rollback`, and who hears of it when a champion moves."""

import getpass
import logging
from typing import Any

from data_contracts.audit import Move
from data_contracts.contest import VerdictRef
from data_contracts.load import load
from data_contracts.records import as_json
from data_contracts.use_case import UseCase
from flows import notify
from flows.environment import prepare
from tasks import workspace
from tasks.ledger import Ledger
from tasks.steps.moving import Moved, Who, mover

SHOWN = {"run": "its trial", "verdict": "that trial's verdict", "role": "its role there"}
log = logging.getLogger("tunegate")


def promote(use_case: str, version: int | None, by: str | None, reason: str) -> dict[str, Any]:
    """Make a registered version champion, the challenger unless one is given. The move, and the version's evidence.

    Raises ConfigurationError without a reason, or where the version's model is gone.
    """
    prepare()
    return promoted(load(use_case).use_case, version, _who(by, reason))


def rollback(use_case: str, version: int | None, by: str | None, reason: str) -> dict[str, Any]:
    """Make the champion before champion again, or a version that was it once. The move, and its evidence."""
    prepare()
    return rolled_back(load(use_case).use_case, version, _who(by, reason))


def promoted(case: UseCase, version: int | None, who: Who) -> dict[str, Any]:
    """The same for whoever knows the use case and who it is."""
    return _told(case, mover(case).promote(version, who))


def rolled_back(case: UseCase, version: int | None, who: Who, expected: int | None = None) -> dict[str, Any]:
    """The same for whoever knows the use case and who it is: a flow; the monitor, which expects whom it judged.

    Raises MovedMeanwhileError where the champion is another one by now.
    """
    return _told(case, mover(case).rollback(version, who, expected))


def concluded(result: VerdictRef) -> VerdictRef:
    """Tell of a trial's verdict and of every move of the champion that it led to, each once however often the trial is
    resumed; the same result.
    """
    case, ledger = workspace.reopen(result.run).case.use_case, Ledger()
    if case.approvals.notify and ledger.tell_once(case.name, f"verdict told {result.run}"):
        declined = [f"Declined by {result.declined}"] if result.declined else []
        said = [*(f"- {reason}" for reason in result.reasons), *declined, result.recommendation, f"Run {result.run}"]
        notify.tell(case, f"{case.name}: {result.decision}, {result.winner}", "\n".join(filter(None, said)))
    announce(case, ledger, result.run)
    return result


def announce(case: UseCase, ledger: Ledger, run: str) -> None:
    """Tell of every move of the champion that a run has led to, each once."""
    for move in ledger.moves(case.name):
        if move.run == run:
            _announce(case, ledger, move)


def show(content: dict[str, Any]) -> None:
    """What moved, on what evidence, and what to know of it."""
    from rich.console import Console

    console = Console()
    for line in _lines(content):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def page(content: dict[str, Any]) -> str:
    """The same as Markdown."""
    title, *others = _lines(content)
    return "\n".join([f"# {title}", "", *(f"- {line}" for line in others), ""])


def _who(by: str | None, reason: str) -> Who:
    return Who(by or getpass.getuser(), "self-declared" if by else "command line", reason)


def _told(case: UseCase, moved: Moved) -> dict[str, Any]:
    _announce(case, Ledger(), moved.move)
    return {
        "use_case": case.name,
        "move": as_json(moved.move),
        "model_uri": f"models:/tunegate.{case.name}@champion",
        "evidence": {**moved.says, **moved.figures},
        "warnings": moved.warnings,
    }


def _announce(case: UseCase, ledger: Ledger, move: Move) -> None:
    """As an event and through the notification blocks. The alias has moved: what fails here is a warning."""
    from tasks.prefect_events import emit

    key = f"champion.moved {move.number}"
    if not ledger.tell_once(case.name, key):
        return
    try:
        emit("champion.moved", case.name, as_json(move))
    except Exception as error:  # a server that is not there must not hide that the champion moved
        ledger.untell(case.name, key)
        log.warning("events     nobody was told that the champion moved: %s", type(error).__name__)
    notify.tell(case, f"{case.name}: version {move.version} is champion", "\n".join(_about(move)))


def _about(move: Move) -> list[str]:
    former = f"version {move.former}" if move.former else "nobody"
    return [
        f"{move.action}: version {move.version} in the place of {former}",
        f"by {move.by} ({move.by_kind}): {move.reason}",
    ]


def _lines(content: dict[str, Any]) -> list[str]:
    move = Move.model_validate(content["move"])
    evidence = content["evidence"]
    says = ", ".join(f"{SHOWN.get(name, name)} {_short(value)}" for name, value in evidence.items())
    return [
        f"Version {move.version} is champion of {content['use_case']}",
        *_about(move),
        f"Its evidence: {says or 'none on record'}",
        *(f"Note: {warning}" for warning in content["warnings"]),
        f"It answers through {content['model_uri']}",
    ]


def _short(value: str | float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else value
