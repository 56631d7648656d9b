"""An existing tune is taken in: its answers are recorded while it runs, and it is registered as what it is, unknown."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from data_contracts.adoption import Adoption, AdoptionRecord
from data_contracts.candidate import Candidate
from data_contracts.consent import Consent
from data_contracts.contest import CandidateScores, Comparison, Registration
from data_contracts.load import load, load_prompts
from data_contracts.money import Estimate, Price
from data_contracts.trial import TrialOptions
from data_contracts.use_case import METRICS
from tasks import workspace
from tasks.decide import leaving, readiness
from tasks.decide.readiness import Hosting, Plan, Requests
from tasks.errors import ApprovalRequiredError, ConfigurationError
from tasks.evaluate.compare import ComparisonPolicy, compare
from tasks.evaluate.comparison.line_up import JUDGE
from tasks.evaluate.questions import Panel, build
from tasks.home import home
from tasks.ledger import Ledger
from tasks.prompting.reasoning import most_answer_tokens
from tasks.providers.prices import base_model_of
from tasks.register import adoption as adoptions
from tasks.register.mlflow_registry import Incumbent, Registry
from tasks.register.promotion import Request, lock_key
from tasks.run_folder import RunFolder
from tasks.steps import adopted_answers, curation, data, money
from tasks.steps import champion as incumbent
from tasks.steps.adopted_answers import Recorded, panels, purse
from tasks.steps.asking import (
    Progress,
    answer_tokens,
    examples_of,
    paid_price,
    scoring,
)
from tasks.steps.contest import sealed_sha256
from tasks.steps.judgement import clusters_of
from tasks.workspace import EXAMPLES, Edge, Workspace

PURPOSE, NAME = "adopt", "adopted"
WISH = "wish.json"


@dataclass(frozen=True)
class Wish:
    """What is to be adopted: a model, what it was tuned on, the prompt that it is asked with, and where."""

    model: str
    base_model: str = ""
    prompt: str = ""
    endpoint: str = ""


@dataclass(frozen=True)
class Adopter:
    """Who takes it in, as they call themselves, and why."""

    by: str
    by_kind: Literal["self-declared", "command line"]
    reason: str = ""


# ---------------------------------------------------------------- which run, whom


def open_run(use_case: str, wish: Wish) -> Workspace:
    """The run in which this very adoption was stopped after its first question, else a new one."""
    case = load(use_case, {})
    started = TrialOptions(train=False)  # nothing is uploaded
    for space in _stopped(case.use_case.name):
        same = space.case == case and space.prompts == load_prompts(case)
        if same and space.folder.read_bytes(WISH) == _as_json(wish):
            return space
    return workspace.start(use_case, started, PURPOSE)


def candidate_of(space: Workspace, wish: Wish) -> Candidate:
    """Who is adopted, with the examples of its prompt, which the data steps have found."""
    named = asked_for(space, wish)
    return named.model_copy(update={"examples": examples_of(space, named.prompt)})


def asked_for(space: Workspace, wish: Wish) -> Candidate:
    """Who is to be adopted. Raises ConfigurationError for a prompt or an endpoint that is not there."""
    case = space.case.use_case
    name = wish.prompt or case.prompts.minimal
    if name not in space.prompts:
        remedy = f"Take one of: {', '.join(sorted(space.prompts))}."
        raise ConfigurationError("--prompt", f"the use case has no prompt {name}", remedy)
    if wish.endpoint and wish.endpoint not in case.endpoints:
        remedy = f"It names: {', '.join(sorted(case.endpoints)) or 'none'}. Leave it out for `provider`."
        raise ConfigurationError("--endpoint", f"the use case names no endpoint {wish.endpoint}", remedy)
    base = wish.base_model or base_model_of(wish.model)
    if base == wish.model:
        remedy = "Say it with --base-model: prices and the last day depend on it."
        raise ConfigurationError("--base-model", f"the name {wish.model} does not say what it was tuned on", remedy)
    return Candidate(
        name=NAME,
        kind="tune",
        model=wish.model,
        base_model=base,
        tuned_model=wish.model,
        endpoint=wish.endpoint,
        prompt=space.prompts[name],
        training_data="unknown",
    )


def _stopped(use_case: str) -> Iterator[Workspace]:
    """Adoptions of a use case that had asked something and were not registered, newest first."""
    for path in sorted((home() / "runs").glob(f"*-{use_case}-*"), reverse=True):
        folder = RunFolder(path)
        if folder.has(WISH) and not folder.has("registration.json"):
            yield Workspace(folder)


# ---------------------------------------------------------------- before anything is asked


def take_data_steps(space: Workspace, ledger: Ledger, progress: Progress) -> None:
    """Curate, validate, partition, look for leaks, as every trial does; nothing leaves the machine."""
    curation.curate(space, ledger, lambda records: progress(records, records))
    data.validate(space)
    data.partition(space, ledger)
    data.check_leakage(space, ledger)


def require_there(candidate: Candidate, edge: Edge) -> None:
    """Raises ConfigurationError where its provider does not know the model."""
    if incumbent.is_gone(candidate, edge):
        provider = edge.at(candidate.endpoint)
        known = [info.id for info in provider.models() if base_model_of(info.id) != info.id][:10]
        remedy = f"Of tunes it lists: {', '.join(known) or 'none'}. Elsewhere it answers by --endpoint."
        raise ConfigurationError("adopt", f"{provider.name} has no model {candidate.model}", remedy)


def estimate(space: Workspace, edge: Edge, candidate: Candidate) -> Estimate:
    """What its answers cost that nobody has paid for yet; kept as estimate.json."""
    if not space.folder.has("estimate.json"):
        price = paid_price(candidate, space, edge)
        tuned = edge.at(candidate.endpoint).price(candidate.base_model, tuned=True)
        plan = Plan(
            test_cases=len(space.partitions.test),
            requests=[_missing(edge, panel, price) for panel in panels(space, edge, candidate)],
            training=None,
            hosting=Hosting(1.0, tuned) if edge.at(candidate.endpoint).capabilities.deploys else None,
        )
        space.folder.write_json("estimate.json", readiness.estimate(plan, space.case.use_case.gates))
    return space.folder.read_json("estimate.json", Estimate)


def _missing(edge: Edge, panel: Panel, price: Price) -> Requests:
    (candidate,) = panel.candidates
    asked = build(panel)
    stored = edge.ledger.stored_answers([question.request for question in asked])
    sizes = [len(question.body) for question in asked if question.request not in stored]
    tokens = most_answer_tokens(candidate.prompt, answer_tokens(panel))
    return Requests(len(sizes), sum(sizes) / max(1, len(sizes)) / 4, tokens, price)


def authorise(space: Workspace, edge: Edge, found: Estimate, yes: bool, by: str) -> None:
    """Raise BudgetError or ApprovalRequiredError before the first question; a yes given with it goes on record."""
    case, run, month = space.case.use_case, space.folder.run, purse(space, edge).month
    others = edge.ledger.spent(case.name, month) - edge.ledger.spent_in_run(run, month)
    known = edge.ledger.approval(run, money.SPENDING, readiness.estimate_sha256(found)) is not None
    try:
        readiness.require_budget(found, case.budget, max(0.0, others), known, run)
    except ApprovalRequiredError as needed:
        if not case.budget.command_line_may_approve:
            how = "raise `budget.approval_above`, as the use case lets no command line approve (`budget`)"
        elif not yes:
            how = "the same command with --yes"
        else:
            said = Consent(answer="yes", by=by, by_kind="command line", note="--yes")
            money.approve_spending(space, edge.ledger, found, said)
            return
        raise ApprovalRequiredError(run, needed.amount, needed.threshold, needed.sha256, how) from None


def require_room(candidate: Candidate, found: Incumbent | None, reason: str) -> None:
    """Raises ConfigurationError where a champion stands and nobody says why it should go."""
    if found is None:
        return
    if found.candidate.tuned_model == candidate.tuned_model and found.candidate.training_data == "known":
        problem = f"{candidate.model} is champion as version {found.version}, and a trial knows what it was trained on"
        raise ConfigurationError("adopt", problem, "There is nothing to adopt; `tunegate audit` shows its data.")
    if found.candidate.model != candidate.model and not reason:
        problem = f"version {found.version} ({found.candidate.model}) is champion, and no trial says that it should go"
        remedy = "Give --reason to replace it all the same; or compare the two in a trial."
        raise ConfigurationError("adopt", problem, remedy)


# ---------------------------------------------------------------- champion


def record(space: Workspace, edge: Edge, wish: Wish, progress: Progress) -> Recorded:
    """Seal the test set and record its answers; from here on the same command goes on with this run."""
    candidate = candidate_of(space, wish)
    data.seal(space, edge.ledger)
    space.folder.write_bytes(WISH, _as_json(wish))
    return adopted_answers.record(space, edge, candidate, progress)


def described(space: Workspace, edge: Edge, recorded: Recorded, who: Adopter) -> AdoptionRecord:
    """What is known of it now, and what is not; kept as comparison.json and adoption.json."""
    candidate, folder = recorded.candidate, space.folder
    if not folder.has("adoption.json"):
        comparison = _figures(space, recorded.candidate, recorded.test, clusters_of(space))
        recent = _figures(space, candidate, recorded.recent, {}).candidates[0]
        folder.write_json("comparison.json", comparison)
        folder.write_json("adoption.json", _adoption(space, edge, comparison, recent, who))
    return AdoptionRecord(
        run=folder.run,
        case=space.case,
        labels=space.labels,
        candidate=candidate,
        adoption=folder.read_json("adoption.json", Adoption),
        comparison=folder.read_json("comparison.json", Comparison),
        answers=recorded.test,
        folder=str(folder.path),
        train_examples=str(folder.file(EXAMPLES)) if candidate.examples else "",
    )


def _adoption(space: Workspace, edge: Edge, comparison: Comparison, recent: CandidateScores, who: Adopter) -> Adoption:
    test = comparison.candidates[0]
    candidate, provider = test.candidate, edge.at(test.candidate.endpoint)
    return Adoption(
        use_case=space.case.use_case.name,
        run=space.folder.run,
        model=candidate.tuned_model,
        base_model=candidate.base_model,
        prompt=candidate.prompt.name,
        endpoint=candidate.endpoint,
        provider=provider.name,
        adopted_by=who.by,
        reason=who.reason,
        adopted_at=edge.ledger.clock.now(),
        last_day=incumbent.last_day(candidate, space, edge),
        metric=comparison.metric,
        test_sha256=comparison.test_sha256,
        test=test,
        recent=recent,
        unknown=[
            leaving.UNKNOWN_DATA.format(model=candidate.tuned_model),
            "Whether it ever beat a prompt is unknown: no trial has compared it yet.",
        ],
    )


def _figures(space: Workspace, candidate: Candidate, answers: pd.DataFrame, clusters: Mapping[str, str]) -> Comparison:
    """Its figures by the deciding metric, or by the task's own where that needs somebody to be compared with."""
    case = space.case.use_case
    policy = ComparisonPolicy(
        metric=METRICS[case.kind][0] if case.metric == JUDGE else case.metric,
        kind=case.kind,
        reference=candidate.name,
        test_sha256=sealed_sha256(space),
        clusters=clusters,
        contract=space.case.contract,
        scoring=scoring(space, {}),
    )
    found = compare(answers, [candidate], policy)
    return found.model_copy(update={"notes": [*found.notes, leaving.UNKNOWN_DATA.format(model=candidate.model)]})


def register(edge: Edge, registry: Registry, record: AdoptionRecord, request: Request) -> Registration:
    """Champion from now on."""
    with edge.ledger.lock(lock_key(record.adoption.use_case)):
        done = adoptions.register(registry, edge.ledger, record, request)
    RunFolder(Path(record.folder)).write_json("registration.json", done)
    return done


def request_of(record: AdoptionRecord, who: Adopter, found: Incumbent | None) -> Request:
    """The move that it asks for; `found`: who was champion when this began."""
    why = who.reason or "an existing tune was taken in; there was no champion"
    return Request("adopt", who.by, who.by_kind, why, [found.version if found else None], record.run)


def _as_json(wish: Wish) -> bytes:
    return json.dumps(asdict(wish), sort_keys=True).encode()
