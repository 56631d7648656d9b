"""What a trial is about to ask and to buy, as far as that can be known before anything is sent."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import pandas as pd

from data_contracts.answers import StoredAnswer
from data_contracts.candidate import Candidate
from data_contracts.money import Job, Price
from tasks.decide.readiness import Hosting, Plan, Requests, Training
from tasks.evaluate.answer import Question, answer_all
from tasks.evaluate.questions import Panel, build, tabulate
from tasks.evaluate.score import score
from tasks.evaluate.search import rank
from tasks.finetune.cleanup import require_not_purged
from tasks.finetune.order import Order, intent_key
from tasks.finetune.submit import DEAD
from tasks.finetune.wait import refusal
from tasks.home import home
from tasks.ledger.rows import Intent, IntentState
from tasks.partition.split import unseen_labels
from tasks.prompting.few_shot import FewShots
from tasks.steps import hours, judging
from tasks.steps.contest import answer_tokens, price_of, search_panel, was_opened
from tasks.steps.data import training_files
from tasks.workspace import Edge, Workspace

SAMPLE = 25  # rows whose prompts are measured to estimate a mean
BOUGHT = (IntentState.SUBMITTED, IntentState.ENDED)
Batch = tuple[str, Requests]  # the endpoint's name, and what is asked there


def plan(space: Workspace, edge: Edge, train: bool) -> Plan:
    """Everything that is still to be paid for. The provider is asked for its prices at most.

    Raises ProviderRefusedError where this very job was bought before and came to nothing.
    """
    search = _search(space, edge)
    intent = _intent(space, edge) if train else None
    bought = training(space, edge, intent) if train else None
    asked = [*_of_search(search, edge), *_of_final(space, edge, search, _tunes(space, search, intent) if train else [])]
    latencies = hours.latencies(search.known.values())
    spans = hours.of_answers(space, asked, latencies), hours.of_training(edge, bought)
    return Plan(
        test_cases=len(space.partitions.test),
        requests=[*judging.requests(space, space.partitions), *(requests for _, requests in asked)],
        training=bought,
        hosting=_hosting(space, edge, spans[0]) if train and edge.provider.capabilities.deploys else None,
        hours=None if None in spans else math.fsum(span or 0.0 for span in spans),
        unseen_labels=unseen_labels(space.partitions) if space.labels else (),
    )


def order(space: Workspace) -> Order:
    """What this run wants to buy."""
    training, validation = training_files(space)
    case = space.case.use_case
    return Order(case.name, space.folder.run, training, validation, case.fine_tune)


@dataclass(frozen=True)
class _Search:
    """The questions of the prompt search, what is stored of their answers, and the best prompt where all are."""

    panel: Panel
    questions: Sequence[Question]
    known: Mapping[str, StoredAnswer]
    best: Candidate | None


def _search(space: Workspace, edge: Edge) -> _Search:
    panel = search_panel(space, edge)
    questions = build(panel)
    known = edge.ledger.stored_answers([question.request for question in questions])
    whole = len(known) == len({question.request for question in questions})
    return _Search(panel, questions, known, _best(space, edge, panel, questions) if whole else None)


def _best(space: Workspace, edge: Edge, panel: Panel, questions: Sequence[Question]) -> Candidate:
    """As the search will find it: every answer is in the ledger, and nobody is asked."""
    case = space.case.use_case
    answers = answer_all(questions, {}, edge.ledger, lambda done, of: None)
    prices = {item.name: price_of(item, edge) for item in panel.candidates}
    scored = score(tabulate(panel, answers, prices), case.kind, space.case.contract)
    return rank(scored, panel.candidates, case.metric, case.kind).tried[0].candidate


def _of_search(search: _Search, edge: Edge) -> list[Batch]:
    batches = []
    for candidate in search.panel.candidates:
        own = [question for question in search.questions if question.candidate == candidate.name]
        missing = [question for question in own if question.request not in search.known]
        found = _requests(missing, len(missing), answer_tokens(search.panel), price_of(candidate, edge))
        batches.append((candidate.endpoint, replace(found, part="prompt search")))
    return batches


def _of_final(space: Workspace, edge: Edge, search: _Search, tunes: Sequence[Candidate]) -> list[Batch]:
    """The final comparison: champion, best prompt (the longest one while that is not known), and the tunes."""
    field = {item.digest: (item, space.few_shots) for item in [search.best or _longest(search.panel), *tunes]}
    if champion := _champion(space):
        field.setdefault(champion[0].digest, champion)
    return [(item.endpoint, _answers_of(space, edge, search.panel, item, shots)) for item, shots in field.values()]


def _answers_of(space: Workspace, edge: Edge, panel: Panel, candidate: Candidate, shots: FewShots) -> Requests:
    """A test set that was opened before may have answers in the ledger: what they hold is not counted."""
    opened = was_opened(space, edge)
    rows = space.rows("test") if opened else panel.rows.head(SAMPLE)
    asked = build(replace(panel, candidates=[candidate], rows=rows, few_shots=lambda _: shots))
    stored = edge.ledger.stored_answers([question.request for question in asked]) if opened else {}
    left = [question for question in asked if question.request not in stored]
    count = len(left) if opened else len(space.partitions.test)
    return _requests(left, count, answer_tokens(panel), price_of(candidate, edge))


def _requests(measured: Sequence[Question], count: int, completion_tokens: float, at: Price) -> Requests:
    mean = sum(len(question.body) for question in measured) / len(measured) / 4 if measured else 0.0
    return Requests(count, mean, completion_tokens, at)


def _longest(panel: Panel) -> Candidate:
    few = replace(panel, rows=panel.rows.head(SAMPLE))
    sizes = {candidate.name: 0 for candidate in panel.candidates}
    for question in build(few):
        sizes[question.candidate] += len(question.body)
    return max(panel.candidates, key=lambda candidate: sizes[candidate.name])


def _tunes(space: Workspace, search: _Search, intent: Intent | None) -> list[Candidate]:
    """The tune with both prompts, by its name where it is bought already."""
    base = space.case.use_case.fine_tune.base_model
    model = intent.model if intent and intent.model else f"a tune of {base}"
    minimal = space.prompts[space.case.use_case.prompts.minimal]
    full = (search.best or _longest(search.panel)).prompt
    return [
        Candidate(name=name, kind="tune", model=model, base_model=base, prompt=prompt)
        for name, prompt in (("tune-minimal", minimal), ("tune-full", full))
    ]


def _champion(space: Workspace) -> tuple[Candidate, FewShots] | None:
    """The champion of now, and where its examples come from."""
    if not os.environ.get("MLFLOW_TRACKING_URI") and not (home() / "mlflow.db").exists():
        return None  # MLflow takes seconds to make a database in which nobody is
    from tasks.register.mlflow_registry import Registry

    registry = Registry(space.case.use_case.name)
    found = registry.champion()
    if found is None or found.candidate.endpoint not in ("", *space.case.use_case.endpoints):
        return None
    if not space.has_own_examples(found.candidate):
        return found.candidate, space.few_shots
    return found.candidate, FewShots(pd.read_parquet(BytesIO(registry.examples(found))))


def training(space: Workspace, edge: Edge, intent: Intent | None) -> Training:
    """The job that the run wants. Raises ProviderRefusedError where the intent's job has come to nothing."""
    wanted = order(space)
    if intent is not None and intent.job_state in DEAD:
        raise refusal(_as_recorded(intent))
    if intent is not None:
        require_not_purged(intent, edge.ledger)
    return Training(
        examples=wanted.training.examples,
        tokens=wanted.training.tokens,
        epochs=wanted.fine_tune.n_epochs,
        price=_training_price(space, edge),
        already_paid=intent is not None and intent.state in BOUGHT,
    )


def _training_price(space: Workspace, edge: Edge) -> Price:
    """Reinforcement is billed by the hour or by its grader, which no price per token tells."""
    wanted = space.case.use_case.fine_tune
    found = edge.provider.price(wanted.base_model, tuned=False)
    return found.model_copy(update={"training": None}) if wanted.method == "reinforcement" else found


def _intent(space: Workspace, edge: Edge) -> Intent | None:
    return edge.ledger.intent(intent_key(order(space), edge.provider))


def _as_recorded(intent: Intent) -> Job:
    """A job that is over, as the ledger has it: nobody is asked."""
    return Job(
        id=str(intent.job_id),
        state="cancelled" if intent.job_state == "cancelled" else "failed",
        raw_state=str(intent.job_state),
        base_model=intent.request["base_model"],
        training_file=str(intent.training_file_id),
        created_at=intent.updated_at,
        error_message=f"it failed when run {intent.run} bought it",
    )


def _hosting(space: Workspace, edge: Edge, answering: float | None) -> Hosting:
    """Billed by the hour begun; one where nothing tells how long the answers take."""
    tuned = edge.provider.price(space.case.use_case.fine_tune.base_model, tuned=True)
    return Hosting(max(1.0, math.ceil(answering or 0.0)), tuned)
