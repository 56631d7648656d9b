"""What takes a champion's place: prompts on a successor first, then a tune where one can be bought."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from data_contracts.prompting import ModelAt
from data_contracts.trial import TrialOptions
from data_contracts.use_case import UseCase
from tasks.providers.protocol import ModelInfo
from tasks.watch.families import entry, is_listed

FORMER = "former_provider"  # the endpoint that `provider` becomes where the tune is bought elsewhere
MOST_REASON = 300


@dataclass(frozen=True)
class Replacement:
    """Where prompts are tried, and where a tune would be bought; None: nowhere, and `tuning` says why."""

    successors: Sequence[ModelAt] = ()
    tune: ModelAt | None = None
    tuning: str = ""

    @property
    def names(self) -> list[str]:
        """The successors as people read them."""
        return [named(at) for at in self.successors]

    @property
    def sentence(self) -> str:
        """What comes next, in the order in which it is tried."""
        if not self.successors:
            return "Nothing that is listed takes its place: name models under `watch.successors` in the use-case file."
        tried = f"A prompt on {' or '.join(self.names)} may take its place"
        return f"{tried}, or else a tune of {named(self.tune)}." if self.tune else f"{tried}. {self.tuning}".rstrip()


def named(at: ModelAt) -> str:
    """A model and where it is."""
    return f"{at.model} at {at.endpoint}" if at.endpoint else at.model


def outlasts(end: str | None, last_day: str | None, warn_days: Sequence[int]) -> bool:
    """Whether what answers until `end` may replace what answers until `last_day`; None: nobody announces a day.

    It has to answer on for longer than the first warning takes: else its own replacement would be due at once.
    """
    if end is None or last_day is None:
        return True
    return date.fromisoformat(end) > date.fromisoformat(last_day) + timedelta(days=max(warn_days, default=0))


def outlives(at: ModelAt, models: Sequence[ModelInfo], last_day: str | None, warn_days: Sequence[int]) -> bool:
    """Whether it is listed and outlasts that day."""
    own = entry(at.model, models)
    return is_listed(at.model, models) and outlasts(own.shutdown_date if own else None, last_day, warn_days)


def wanted(case: UseCase, replacement: Replacement, why: str) -> dict[str, Any] | None:
    """Options of the trial that asks whether a prompt on a successor wins already; it names the trial that tunes."""
    if not case.watch.start_trials or not replacement.successors:
        return None
    options = TrialOptions(
        train=False,
        settings={"prompts.base_models": [_plain(at) for at in replacement.successors]},
        reason=why[:MOST_REASON],
        otherwise=_tuning(case, replacement),
    )
    return options.model_dump(mode="json", exclude_defaults=True)


def _tuning(case: UseCase, replacement: Replacement) -> dict[str, Any]:
    """Settings of the second trial; empty where nothing can be tuned, or nothing is to be."""
    tune = replacement.tune
    if tune is None or not case.fine_tune.enabled:
        return {}
    if not tune.endpoint:
        models = [tune, *(at for at in replacement.successors if at != tune)]
        return {"fine_tune.base_model": tune.model, "prompts.base_models": [_plain(at) for at in models]}
    return _tuning_elsewhere(case, tune, replacement.successors)


def _tuning_elsewhere(case: UseCase, tune: ModelAt, successors: Sequence[ModelAt]) -> dict[str, Any]:
    """`provider` becomes the endpoint that trains. Whoever was asked at the former one still is, under its own name."""
    others = [at if at.endpoint else ModelAt(model=at.model, endpoint=FORMER) for at in successors if at != tune]
    judge, writer = case.evaluation.judge, case.prompts.optimiser
    asked = {"evaluation.judge.endpoint": judge, "prompts.optimiser.endpoint": writer}
    moved = {name: FORMER for name, model in asked.items() if model and not model.endpoint}
    former = case.provider.model_dump(mode="json", exclude_defaults=True)
    return {
        "fine_tune.base_model": tune.model,
        "provider": case.endpoints[tune.endpoint].model_dump(mode="json", exclude_defaults=True),
        "prompts.base_models": [tune.model, *(_plain(at) for at in others)],
        **({f"endpoints.{FORMER}": former} if moved or any(at.endpoint == FORMER for at in others) else {}),
        **moved,
    }


def _plain(at: ModelAt) -> str | dict[str, str]:
    return at.model_dump() if at.endpoint else at.model
