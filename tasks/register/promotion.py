"""The one place that moves the aliases `champion` and `challenger`, re-reads them, and keeps the history.

MLflow has no compare-and-set and the ledger is another database, so a move is written down before it is made: a
process that dies at any point leaves a note by which the next one finishes the move, or forgets it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from data_contracts.audit import Move
from tasks.errors import ResumableError
from tasks.ledger import Ledger
from tasks.register.store import ABSENT, reachable

if TYPE_CHECKING:
    from tasks.register.mlflow_registry import Registry

CHAMPION, CHALLENGER = "champion", "challenger"
UNDER_WAY = "move under way"  # what the ledger calls the note


class MovedMeanwhileError(ResumableError):
    """The champion is not the one that was judged: another run moved it."""


@dataclass(frozen=True)
class Request:
    """Who wants the champion moved, and why. `expected`: versions on which the alias may be found, None: on none."""

    action: Literal["first", "promote", "rollback", "adopt"]
    by: str
    by_kind: Literal["self-declared", "command line", "policy"]
    reason: str
    expected: Collection[int | None]
    run: str = ""
    sha256: str = ""  # of what was approved


def lock_key(use_case: str) -> str:
    """What `Ledger.lock` takes: whoever moves an alias holds it from before the look at the champion to the end."""
    return f"registry {use_case}"


@reachable()
def move(registry: "Registry", ledger: Ledger, to: int, request: Request) -> Move:
    """Let `champion` point to version `to`, and record it, under `ledger.lock(lock_key(use_case))`.

    The alias is re-read, the prompt's alias follows, ledger and tags of both versions tell of it. Asking for the same
    move again adds nothing. Raises MovedMeanwhileError where the alias is not where the caller found it, and
    ResumableError where it did not stay.
    """
    settle(registry, ledger)
    now, last = aliased(registry, CHAMPION), _last(registry, ledger)
    if now == to and last is not None and last.version == to:
        return last
    if now not in {*request.expected, to}:
        raise moved_meanwhile(registry, now, request.expected)
    known = last.version if last else None
    wanted = Move(
        use_case=registry.store.use_case,
        number=0,
        action=request.action,
        version=to,
        former=now if now != to else known,  # moved by hand, in MLflow: the history takes it in
        by=request.by,
        by_kind=request.by_kind,
        reason=request.reason,
        run=request.run,
        sha256=request.sha256,
        moved_at=ledger.clock.now(),
    )
    ledger.see(wanted.use_case, UNDER_WAY, wanted.model_dump())
    point(registry, CHAMPION, to)
    return _finish(registry, ledger, wanted)


@reachable()
def settle(registry: "Registry", ledger: Ledger) -> Move | None:
    """Finish what a dying process left half done, under the same lock; the move, None where there was none.

    Whoever reads the history next to the alias calls it first.
    """
    use_case = registry.store.use_case
    noted = ledger.seen(use_case, UNDER_WAY)
    if not noted:
        return None
    wanted = Move.model_validate(noted)
    if aliased(registry, CHAMPION) == wanted.version:
        return _finish(registry, ledger, wanted)
    ledger.see(use_case, UNDER_WAY, {})
    return None


@reachable()
def point(registry: "Registry", alias: str, version: int) -> None:
    """Set an alias and read it back. For `champion` call `move`, which keeps the history."""
    registry.client.set_registered_model_alias(registry.name, alias, str(version))
    found = aliased(registry, alias)
    if found != version:  # the last writer wins
        cause = f"alias {alias} points to version {found}, not to {version}: another run moved it meanwhile"
        raise ResumableError(f"Registering {registry.name}", cause, "See which of the two you want, then resume.")


def aliased(registry: "Registry", alias: str) -> int | None:
    """The version behind an alias."""
    from mlflow.exceptions import MlflowException

    try:
        return int(registry.client.get_model_version_by_alias(registry.name, alias).version)
    except MlflowException as error:
        if error.error_code in ABSENT:
            return None
        raise


def _finish(registry: "Registry", ledger: Ledger, wanted: Move) -> Move:
    """What comes after the alias. Each part may have been done already; the note goes last."""
    made = [one for one in ledger.moves(wanted.use_case) if one == wanted.model_copy(update={"number": one.number})]
    recorded = made[0] if made else ledger.record_move(wanted)
    champion = registry.client.get_model_version(registry.name, str(wanted.version))
    registry.prompts.follow(champion.tags)
    _tell(registry, recorded, champion.tags)
    ledger.see(wanted.use_case, UNDER_WAY, {})
    return recorded


def tags_of(move: Move) -> dict[str, str]:
    """What the version that became champion says of the move, by the names of its tags."""
    return {
        "tunegate.champion_since": datetime.fromtimestamp(move.moved_at, UTC).isoformat(timespec="seconds"),
        "tunegate.replaced": str(move.former or "nobody"),
        "tunegate.move": f"{move.number} {move.action}",
        "tunegate.moved_by": f"{move.by} ({move.by_kind})",
        "tunegate.moved_because": move.reason,
    }


def _tell(registry: "Registry", made: Move, known: dict[str, str]) -> None:
    """Tags on both versions, for whoever has nothing but MLflow."""
    for name, value in tags_of(made).items():
        registry.client.set_model_version_tag(registry.name, str(made.version), name, value)
    if "tunegate.replaced_by" in known:
        registry.client.delete_model_version_tag(registry.name, str(made.version), "tunegate.replaced_by")
    if made.former:
        _tell_former(registry, made.former, made.version)


def _tell_former(registry: "Registry", former: int, champion: int) -> None:
    from mlflow.exceptions import MlflowException

    try:
        registry.client.set_model_version_tag(registry.name, str(former), "tunegate.replaced_by", str(champion))
    except MlflowException as error:
        if error.error_code not in ABSENT:  # somebody may have deleted it
            raise


def _last(registry: "Registry", ledger: Ledger) -> Move | None:
    return next(iter(reversed(ledger.moves(registry.store.use_case))), None)


def moved_meanwhile(registry: "Registry", now: int | None, expected: Collection[int | None]) -> MovedMeanwhileError:
    """The error that says where the alias is, and where it was expected."""
    found = next(iter(expected), None)
    cause = f"alias champion points to version {now}, not to {found}: another run moved it meanwhile"
    remedy = "Start a new trial against that champion; or point the alias back, then resume."
    return MovedMeanwhileError(f"Registering {registry.name}", cause, remedy)
