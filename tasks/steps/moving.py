"""The champion moved by hand or by the monitor: to a version that a person names, or back to the one before."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Literal

from data_contracts.audit import Move
from data_contracts.candidate import Candidate
from data_contracts.provider import ProviderSettings
from data_contracts.use_case import UseCase
from tasks.errors import ConfigurationError
from tasks.finetune.wait import await_servable
from tasks.ledger import Ledger
from tasks.providers.connect import connect
from tasks.register import promotion
from tasks.register.mlflow_registry import Registry
from tasks.register.promotion import Request
from tasks.steps.champion import is_gone, last_day_at
from tasks.watch.base_models import days_left, today_of
from tasks.workspace import Edge

SAYS = ("run", "role", "verdict", "declined", "kind", "model", "prompt", "test_sha256")
FIGURES = (
    "metric",
    "metric_low",
    "metric_high",
    "accuracy",
    "format_adherence",
    "latency_p99_ms",
    "cost_per_request_usd",
)
MADE_BY_TRIAL = ("winner", "reference")  # roles in which a trial made a version champion


@dataclass(frozen=True)
class Who:
    """Who moves the champion, and why. `run`: the monitor's, where no person did."""

    by: str
    by_kind: Literal["self-declared", "command line", "policy"]
    reason: str
    run: str = ""


@dataclass(frozen=True)
class Moved:
    """A move, what the version's own trial found out about it, and what whoever moved it should know."""

    move: Move
    says: dict[str, str]
    figures: dict[str, float]
    warnings: list[str] = field(default_factory=list)


class CannotAnswerError(ConfigurationError):
    """The version's model answers no more, or its last day is reached: it cannot be champion."""


@dataclass(frozen=True)
class Mover:
    """Moves the champion of one use case."""

    case: UseCase
    registry: Registry
    ledger: Ledger

    def promote(self, version: int | None, who: Who) -> Moved:
        """Make a registered version champion, the challenger unless one is given, once its model answers.

        Whatever its trial said of it: a warning says so where no trial promoted it. Raises ConfigurationError without
        a reason, and CannotAnswerError where its model is gone.
        """
        now = self._champion()
        chosen = version if version is not None else self._challenger(now)
        if chosen == now and self._is_recorded(now):
            raise self._wrong(f"version {chosen} is champion already", "`tunegate audit` says since when and why.")
        says = self._known(chosen)
        if not who.reason.strip():
            raise self._wrong("a promotion by hand needs a reason", 'Say why: --reason "..."')
        notes = self._require_answers(chosen)
        doubts = [doubt] if (doubt := self._doubt(chosen, says)) else []
        return self._moved("promote", chosen, now, who, [*doubts, *notes])

    def rollback(self, version: int | None, who: Who, expected: int | None = None) -> Moved:
        """Move the champion back: to a version that was champion once, or to the last one before that still answers.

        `expected`: the champion that this is about. Raises MovedMeanwhileError where it is another one by now,
        ConfigurationError where there is none to go back to, and CannotAnswerError where the given one's model is gone.
        """
        now = self._champion(expected)
        if version is not None:
            if version not in self._once(now):
                told = "`tunegate promote` makes any version champion."
                raise self._wrong(f"version {version} was never champion", told)
            return self._moved("rollback", version, now, who, self._require_answers(version))
        skipped: list[str] = []
        for earlier in self._before(now):
            try:
                notes = self._require_answers(earlier)
            except CannotAnswerError as error:
                skipped.append(error.problem)
                continue
            return self._moved("rollback", earlier, now, who, [*skipped, *notes])
        tried = f" that answers: {'; '.join(skipped)}" if skipped else ""
        told = "Start a trial, which finds who answers best now; or `tunegate promote` another version."
        raise self._wrong(f"before version {now} there was no champion{tried}", told)

    # ------------------------------------------------------------ who may be next

    def _champion(self, expected: int | None = None) -> int | None:
        """Whoever is it under the lock; `promotion.move` looks again before it moves anything."""
        with self._alone():
            promotion.settle(self.registry, self.ledger)
            now = promotion.aliased(self.registry, promotion.CHAMPION)
        if expected not in (None, now):
            raise promotion.moved_meanwhile(self.registry, now, [expected])
        return now

    def _challenger(self, now: int | None) -> int:
        found = promotion.aliased(self.registry, promotion.CHALLENGER)
        if found is None or found == now:
            problem = (
                "nobody is challenger" if found is None else f"the challenger, version {found}, is champion already"
            )
            raise self._wrong(problem, "Name a version: its page in MLflow says what each one is.")
        return found

    def _is_recorded(self, now: int | None) -> bool:
        """Whether the history tells of it; an alias moved by hand in MLflow is in no history yet."""
        moves = self.ledger.moves(self.case.name)
        return bool(moves) and moves[-1].version == now

    def _once(self, now: int | None) -> set[int]:
        moves = self.ledger.moves(self.case.name)
        return {version for move in moves for version in (move.version, move.former) if version} - {now}

    def _before(self, now: int | None) -> list[int]:
        """Who was champion before the present one, the latest first.

        Whoever came back to an earlier version, by whatever move, gave up those between: they are not among them.
        """
        moves = self.ledger.moves(self.case.name)
        line: list[int] = []
        for version in filter(None, [*(one for move in moves for one in (move.former, move.version)), now]):
            line = [*takewhile(version.__ne__, line), version]
        return [version for version in reversed(line) if version != now]

    # ------------------------------------------------------------ what is known of it

    def _known(self, version: int) -> dict[str, str]:
        says = self.registry.told(version)
        if not says:
            raise self._wrong(f"there is no version {version}", "MLflow's page of the registered model lists them.")
        return says

    def _doubt(self, version: int, says: dict[str, str]) -> str:
        """Why nobody's evidence is for it; empty where a trial made it champion."""
        by_trial = any(move.run and move.version == version for move in self.ledger.moves(self.case.name))
        if by_trial or (says.get("role") in MADE_BY_TRIAL and not says.get("declined")):
            return ""
        if says.get("declined"):
            return f"A trial promoted version {version}, and somebody declined it: {says['declined']}"
        verdict = f"{says.get('run', 'no trial')} says {says.get('verdict', 'nothing')}"
        return f"No trial promoted version {version} ({verdict}): it becomes champion on your word"

    def _require_answers(self, version: int) -> list[str]:
        """A deployed tune is deployed again if need be; its address must be the one that the version asks.

        What is to be known of how long it answers. Raises CannotAnswerError.
        """
        record = self.registry.decision(version)
        candidate = Candidate.model_validate(record["candidate"])
        settings = ProviderSettings.model_validate(record["provider"])
        provider = connect(settings)
        edge = Edge(provider, self.ledger, {candidate.endpoint: provider} if candidate.endpoint else {})
        told = "Choose another version, or start a trial, which finds who answers best now."
        if is_gone(candidate, edge):
            problem = f"the model of version {version}, {candidate.model}, answers no more"
            raise CannotAnswerError(self._where, problem, told)
        notes = self._days(version, last_day_at(candidate, settings, edge))
        if candidate.tuned_model and provider.capabilities.deploys:
            model = await_servable(candidate.tuned_model, provider, self.ledger.clock).model
            if model != candidate.model:
                problem = (
                    f"the tune of version {version} is deployed as {model} now, and the version asks {candidate.model}"
                )
                raise CannotAnswerError(
                    self._where, problem, "Start a trial: it registers the tune under its new name."
                )
        return notes

    def _days(self, version: int, day: str | None) -> list[str]:
        """A note where its last day comes near; CannotAnswerError where it is reached."""
        left = days_left(day, today_of(self.ledger.clock.now()))
        if left is None or left > max(self.case.watch.warn_days, default=0):
            return []
        if left > 0:
            return [f"Version {version} stops answering on {day}: start a trial before that"]
        problem = f"the last day of version {version}'s model, {day}, is reached"
        raise CannotAnswerError(self._where, problem, "Start a trial, which finds who answers best now.")

    # ------------------------------------------------------------ the move

    def _moved(
        self, action: Literal["promote", "rollback"], to: int, now: int | None, who: Who, warnings: Sequence[str]
    ) -> Moved:
        request = Request(action, who.by, who.by_kind, who.reason or "none given", [now], who.run)
        with self._alone():
            made = promotion.move(self.registry, self.ledger, to, request)
        says = self.registry.told(to)
        figures = {name: float(says[name]) for name in FIGURES if name in says}
        return Moved(made, {name: says[name] for name in SAYS if says.get(name)}, figures, list(warnings))

    def _alone(self) -> AbstractContextManager[None]:
        return self.ledger.lock(promotion.lock_key(self.case.name))

    @property
    def _where(self) -> str:
        return f"The champion of {self.case.name}"

    def _wrong(self, problem: str, remedy: str) -> ConfigurationError:
        return ConfigurationError(self._where, problem, remedy)


def mover(case: UseCase) -> Mover:
    """Whoever moves the champion of a use case."""
    return Mover(case, Registry(case.name), Ledger())
