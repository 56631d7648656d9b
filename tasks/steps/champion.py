"""The champion as a trial meets it: where it answers, until when, and what is on record of it once it is gone."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO

import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.contest import ChampionStanding
from data_contracts.provider import ProviderSettings
from tasks.errors import ProviderRefusedError
from tasks.evaluate.answer import answer_all
from tasks.evaluate.questions import build
from tasks.finetune.wait import await_servable
from tasks.home import home
from tasks.prompting.few_shot import FewShots
from tasks.register.mlflow_registry import Registry
from tasks.steps.asking import panel_of, price_of, scored
from tasks.steps.general import is_listed
from tasks.steps.listings import announced, is_same_place
from tasks.watch.base_models import Listing, days_left, facts, today_of
from tasks.watch.families import entry
from tasks.watch.replacement import outlasts
from tasks.workspace import Edge, FoundChampion, Workspace

STANDING, RETIRED = "champion_standing.json", "retired_answers.parquet"
OWN_ENDPOINT = "of_champion"


# ---------------------------------------------------------------- where


def located(space: Workspace, candidate: Candidate, version: int, recorded: ProviderSettings) -> FoundChampion:
    """The champion with the endpoint at which its decision record says that it answers.

    Under the name that the use case has for that place now; a place that it no longer names gets a name and the
    settings of the record.
    """
    use_case = space.case.use_case
    places = {"": use_case.provider, **use_case.endpoints}
    if candidate.endpoint in places and is_same_place(places[candidate.endpoint], recorded):
        return FoundChampion(candidate, version)
    known = next((name for name, settings in places.items() if is_same_place(settings, recorded)), None)
    if known is not None:
        return FoundChampion(candidate.model_copy(update={"endpoint": known}), version)
    name = OWN_ENDPOINT
    while name in places:
        name += "_"
    return FoundChampion(candidate.model_copy(update={"endpoint": name}), version, recorded)


def provider_of(registry: Registry, version: int) -> ProviderSettings:
    """Settings of whoever answers as that version, from its decision record."""
    return ProviderSettings.model_validate(registry.decision(version)["provider"])


Contestant = tuple[Candidate, FewShots]  # and where its examples come from


def expected(space: Workspace, edge: Edge) -> tuple[Workspace, Edge, Contestant | None]:
    """The champion of now, for an estimate: run and edge know where it is asked. None where nobody will be asked."""
    if not os.environ.get("MLFLOW_TRACKING_URI") and not (home() / "mlflow.db").exists():
        return space, edge, None  # MLflow takes seconds to make a database in which nobody is
    registry = Registry(space.case.use_case.name)
    found = registry.champion()
    if found is None:
        return space, edge, None
    here = located(space, found.candidate, found.version, provider_of(registry, found.version))
    if here.settings:
        own = here.candidate.endpoint, here.settings
        space, edge = space.knowing(*own), edge.knowing(*own)
    if not edge.prices_only and is_gone(here.candidate, edge):
        return space, edge, None
    candidate = here.candidate.model_copy(update={"name": "champion"})
    if not space.has_own_examples(candidate):
        return space, edge, (candidate, space.few_shots)
    return space, edge, (candidate, FewShots(pd.read_parquet(BytesIO(registry.examples(found)))))


# ---------------------------------------------------------------- until when


@dataclass(frozen=True)
class Met:
    """How the champion stands, and as what it is asked; None: it no longer answers."""

    standing: ChampionStanding
    candidate: Candidate | None


def meet(champion: Candidate, space: Workspace, edge: Edge) -> Met:
    """Ask its provider whether it is still there and until when. A deployed tune is deployed again if need be.

    Raises ProviderRefusedError or ProviderUnavailableError where that fails: no champion falls without a contest.
    """
    day = last_day(champion, space, edge)
    left = days_left(day, today_of(edge.ledger.clock.now()))
    found = _answering(champion, edge, is_past=left is not None and left <= 0)
    soon = left is not None and left <= max(space.case.use_case.watch.warn_days, default=0)
    standing = ChampionStanding(
        model=champion.model,
        state="retired" if found is None else "leaving" if soon else "answers",
        last_day=day,
        days_left=left,
        training_data=champion.training_data,
    )
    return Met(standing, found)


def is_gone(champion: Candidate, edge: Edge) -> bool:
    """Whether it answers no more, by what its provider lists. Nothing is deployed to find out."""
    provider = edge.at(champion.endpoint)
    if champion.tuned_model and provider.capabilities.deploys:
        return not provider.has_model(champion.tuned_model)
    return not is_listed(champion.model, provider)


def outlasting(
    standing: ChampionStanding, field: Sequence[Candidate], space: Workspace, edge: Edge
) -> ChampionStanding:
    """With the candidates that outlast the champion's last day, as far as their providers announce theirs."""
    if standing.state != "leaving" or standing.last_day is None:
        return standing
    days = {item.name: last_day(item, space, edge) for item in field if item.name != "champion"}
    warn_days = space.case.use_case.watch.warn_days
    longer = [name for name, day in days.items() if outlasts(day, standing.last_day, warn_days)]
    return standing.model_copy(update={"outlasted_by": longer})


def last_day(candidate: Candidate, space: Workspace, edge: Edge) -> str | None:
    """Day (YYYY-MM-DD) from which it no longer answers, as the base-model watch has it; None: nobody announces one."""
    return last_day_at(candidate, space.case.use_case.provider_at(candidate.endpoint), edge)


def last_day_at(candidate: Candidate, settings: ProviderSettings, edge: Edge) -> str | None:
    """The same of a candidate that answers at a provider with these settings."""
    listed = edge.at(candidate.endpoint).models()
    listing = Listing(listed, there=True, announced=announced(candidate, settings))
    return facts(candidate, listing, edge.ledger.clock.now()).shutdown_date


def _answering(champion: Candidate, edge: Edge, is_past: bool) -> Candidate | None:
    """What it is asked as. On a day that is past, a listing that does not name it no longer vouches for it."""
    provider = edge.at(champion.endpoint)
    deployed = bool(champion.tuned_model) and provider.capabilities.deploys
    unlisted = not deployed and entry(champion.model, provider.models()) is None
    if is_gone(champion, edge) or (is_past and unlisted):
        return None
    if not deployed:
        return champion
    try:
        serving = await_servable(champion.tuned_model, provider, edge.ledger.clock)
    except ProviderRefusedError:
        if is_past:
            return None
        raise
    return champion.model_copy(update={"model": serving.model})


# ---------------------------------------------------------------- once it is gone


def recall(champion: Candidate, standing: ChampionStanding, space: Workspace, edge: Edge) -> ChampionStanding:
    """What it answered to the test cases while it was there, kept as retired_answers.parquet; nobody is asked.

    Only where every case has an answer of it: on some of them alone it would be another contest.
    """
    retired = champion.model_copy(update={"name": "champion"})
    asked = panel_of(space, edge, [retired], space.rows("test"))
    panel = replace(asked, logprobs=space.case.use_case.evaluation.logprobs)
    questions = build(panel)
    missing = len(questions) - len(edge.ledger.stored_answers([question.request for question in questions]))
    if missing:
        return standing.model_copy(update={"unrecorded": missing})
    answers = answer_all(questions, {}, edge.ledger, lambda done, of: None)
    frame = scored(space, panel, answers, {retired.name: price_of(retired, edge)})
    space.folder.write_frame(RETIRED, frame)
    return standing.model_copy(update={"recorded": _recorded_by(space, edge)})


def _recorded_by(space: Workspace, edge: Edge) -> str:
    """Day of the last opening before this run's: whatever is stored of a test case was answered by then."""
    before = [item.opened_at for item in edge.ledger.openings(space.case.use_case.name) if item.run != space.folder.run]
    when = max(before, default=edge.ledger.clock.now())
    return datetime.fromtimestamp(when, UTC).date().isoformat()


def standing_of(space: Workspace) -> ChampionStanding | None:
    """How the champion stood when the test set was opened; None: there was none."""
    return space.folder.read_json(STANDING, ChampionStanding) if space.folder.has(STANDING) else None


def answers_with_retired(space: Workspace) -> pd.DataFrame:
    """Everybody's answers to the test cases, a retired champion's recorded ones among them."""
    names = ["answers.parquet", *([RETIRED] if space.folder.has(RETIRED) else [])]
    return pd.concat([space.folder.read_frame(name) for name in names], ignore_index=True)
