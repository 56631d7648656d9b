"""The last steps: the report, the registry, and what the run answers to whoever started it."""

import logging
from dataclasses import dataclass

from data_contracts.candidate import Candidate
from data_contracts.contest import Comparison, PromptSearch, Registration, Verdict, VerdictRef
from data_contracts.evidence import FailureReport
from data_contracts.money import Estimate, FineTuned
from data_contracts.records import Counts, LeakageReport
from data_contracts.trial import TrialRecord, TrialRef
from data_contracts.worth import Recommendation
from tasks.errors import TunegateError
from tasks.ledger import Ledger
from tasks.register.mlflow_registry import Incumbent, Registry
from tasks.register.promotion import lock_key
from tasks.steps import curation, data, lineage, promoting
from tasks.steps.attached import others_at_work
from tasks.steps.champion import answers_with_retired, located, provider_of
from tasks.steps.cost import actual_cost
from tasks.steps.effort import effort
from tasks.workspace import CHAMPION, CHAMPION_EXAMPLES, EXAMPLES, Edge, Workspace

log = logging.getLogger("tunegate")


def champion(space: Workspace, registry: Registry) -> Candidate | None:
    """The champion as the evaluation first found it: one that moves meanwhile does not change the question.

    It answers where its decision record says, also where the use case names another provider by now.
    """
    if not space.folder.has(CHAMPION):
        found = registry.champion()
        if found and space.has_own_examples(found.candidate):
            space.folder.write_bytes(CHAMPION_EXAMPLES, registry.examples(found))
        here = located(space, found.candidate, found.version, provider_of(registry, found.version)) if found else None
        space.keep_champion(here)
    return space.champion.candidate if space.champion else None


def report(space: Workspace, trial: TrialRef, edge: Edge) -> TrialRecord:
    """Write report.html; the record that registry and report share."""
    from tasks.register.report import render

    record = _record(space, trial, edge)
    if not space.folder.has("report.html"):
        space.folder.write_bytes("report.html", render(record).encode())
    return record


def register(space: Workspace, trial: TrialRef, record: TrialRecord, registry: Registry) -> VerdictRef:
    """Register winner and challenger, one trial of a use case at a time, and say where everything is."""
    consent = promoting.settle(space, trial, Ledger())
    if not space.folder.has("registration.json"):
        with Ledger().lock(lock_key(trial.use_case)):
            found = space.champion.version if space.champion else None
            done = registry.register(record, trial.mlflow_run_id, found, consent)
        space.folder.write_json("registration.json", done)
    lineage.keep(space, record, registry)
    registration = space.folder.read_json("registration.json", Registration)
    verdict = record.verdict
    return VerdictRef(
        run=trial.run,
        use_case=trial.use_case,
        decision=verdict.decision,
        winner=verdict.winner.name,
        winner_model=verdict.winner.model,
        reasons=verdict.reasons,
        recommendation=record.recommendation.sentence,
        run_folder=trial.folder,
        report=str(space.folder.file("report.html")),
        mlflow_run_id=trial.mlflow_run_id,
        model_uri=registration.model_uri,
        spent=record.spent,
        attached=record.tuned.submission.attached if record.tuned else False,
        declined=consent.declined,
    )


def withdraw_loser(space: Workspace, edge: Edge, registry: Registry) -> None:
    """Take down this trial's tune and the champion's that the trial found, unless one is champion now.

    Hosting is paid by the hour. The challenger alias is only a mark: this trial's tune goes although it leads there; a
    former champion stays while it does, and so does whatever another run is at work with, or was deployed by others
    before it was adopted. No model is deleted.
    """
    if not any(provider.capabilities.deploys for provider in (edge.provider, *edge.endpoints.values())):
        return
    champion = _names(registry.champion())
    for loser in (*_former(space, champion | _names(registry.challenger())), *_own(space, champion)):
        provider = edge.at(loser.endpoint)
        try:
            if provider.capabilities.deploys and not _is_needed(loser.tuned_model, space, edge):
                provider.withdraw(loser.tuned_model)
        except TunegateError as error:
            log.warning("%s may still be deployed, and billed: %s", loser.model, error)


def _names(standing: Incumbent | None) -> set[str]:
    return {standing.candidate.model, standing.candidate.tuned_model} if standing else set()


@dataclass(frozen=True)
class _Loser:
    """A tune that lost, the name that it is asked by, and where it is deployed."""

    tuned_model: str
    model: str
    endpoint: str = ""


def _own(space: Workspace, kept: set[str]) -> list[_Loser]:
    """This trial's tune, if it trained one that is not to be kept."""
    if not space.folder.has("tuned.json"):
        return []
    tuned = space.folder.read_json("tuned.json", FineTuned)
    return [_Loser(tuned.model, tuned.asked_as)] if kept.isdisjoint({tuned.model, tuned.asked_as}) else []


def _former(space: Workspace, kept: set[str]) -> list[_Loser]:
    """The tune of the champion that the trial found."""
    found = space.champion.candidate if space.champion else None
    if found is None or not found.tuned_model or found.training_data == "unknown":
        return []
    if not kept.isdisjoint({found.tuned_model, found.model}):
        return []
    return [_Loser(found.tuned_model, found.model, found.endpoint)]


def _is_needed(model: str, space: Workspace, edge: Edge) -> bool:
    purchases = (intent for intent in edge.ledger.intents() if intent.model == model)
    return any(others_at_work(space.folder.run, intent, edge.ledger) for intent in purchases)


def _record(space: Workspace, trial: TrialRef, edge: Edge) -> TrialRecord:
    folder = space.folder
    test = space.rows("test", ["id", "input"])
    return TrialRecord(
        run=trial.run,
        started=trial.started,
        case=space.case,
        labels=space.labels,
        counts=folder.read_json("counts.json", Counts),
        curation=curation.report(space),
        leakage=folder.read_json("leakage.json", LeakageReport),
        sealed=data.sealed(space),
        search=folder.read_json("prompt_search.json", PromptSearch),
        estimate=folder.read_json("estimate.json", Estimate),
        tuned=folder.read_json("tuned.json", FineTuned) if folder.has("tuned.json") else None,
        comparison=folder.read_json("comparison.json", Comparison),
        verdict=folder.read_json("verdict.json", Verdict),
        failures=folder.read_json("failures.json", FailureReport),
        recommendation=folder.read_json("recommendation.json", Recommendation),
        effort=effort(space, edge.ledger),
        answers=answers_with_retired(space),
        inputs=dict(zip(test["id"], test["input"], strict=True)),
        cost=actual_cost(space, edge),
        spent=edge.ledger.spent_in_run(trial.run),
        folder=trial.folder,
        train_examples=_train_examples(space),
    )


def _train_examples(space: Workspace) -> str:
    """Path of the rows that few-shot examples come from; written by now, whether a prompt asked for them or not."""
    return str(space.folder.file(EXAMPLES)) if space.examples else ""
