"""What a trial is about to ask and to buy, as far as that can be known before anything is sent."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from data_contracts.answers import StoredAnswer
from data_contracts.candidate import Candidate
from data_contracts.money import FineTuned, Job, Price
from tasks.decide.readiness import Hosting, Plan, Requests, Training, answer_cost
from tasks.evaluate.answer import Question
from tasks.evaluate.questions import Panel, build
from tasks.finetune.cleanup import require_not_purged
from tasks.finetune.order import Order, intent_key
from tasks.finetune.submit import DEAD
from tasks.finetune.wait import refusal
from tasks.home import run_path
from tasks.ledger.rows import Intent, IntentState
from tasks.partition.split import unseen_labels
from tasks.prompting.few_shot import FewShots
from tasks.prompting.reasoning import most_answer_tokens
from tasks.run_folder import RunFolder, TamperedFileError
from tasks.steps import clock, evidence_cost, hours, judging
from tasks.steps.asking import answer_tokens, examples_of, paid_price
from tasks.steps.champion import Contestant, expected
from tasks.steps.contest import final_panel, was_opened
from tasks.steps.data import training_files
from tasks.steps.prompt_search import replay, search_panel
from tasks.steps.search_cost import optimiser_batches
from tasks.workspace import Edge, Workspace

SAMPLE = 25  # rows whose prompts are measured to estimate a mean
BOUGHT = (IntentState.SUBMITTED, IntentState.ENDED)
Batch = tuple[str, Requests]  # the endpoint's name, and what is asked there


def plan(space: Workspace, edge: Edge, train: bool) -> Plan:
    """Everything that is still to be paid for. The provider is asked for its prices at most.

    Raises ProviderRefusedError where this very job was bought before and came to nothing.
    """
    space, edge, champion = expected(space, edge)
    search = _search(space, edge)
    intent = _intent(space, edge) if train else None
    bought = training(space, edge, intent) if train else None
    tunes = _tunes(space, search, intent) if train else []
    final = _field(space, search, champion, tunes)
    asked = [*_of_search(space, edge, search), *_of_final(space, edge, search, final)]
    asked += evidence_cost.of_general_tasks(space, edge, [item for item, _ in final])
    asked += evidence_cost.of_judge(space, edge, _final_panel(space, edge, final))
    latencies = hours.latencies(search.known.values())
    spans = hours.of_answers(space, asked, latencies), hours.of_training(edge, bought)
    return Plan(
        test_cases=len(space.partitions.test),
        requests=[*judging.requests(space, space.partitions), *(requests for _, requests in asked)],
        training=bought,
        hosting=_hosting(space, edge, spans[0]) if train and edge.provider.capabilities.deploys else None,
        hours=None if None in spans else math.fsum(span or 0.0 for span in spans),
        unseen_labels=unseen_labels(space.partitions) if space.labels else (),
        warnings=_at_most(space, search),
    )


def order(space: Workspace) -> Order:
    """What this run wants to buy."""
    training, validation = training_files(space)
    case = space.case.use_case
    return Order(case.name, space.folder.run, training, validation, case.fine_tune)


@dataclass(frozen=True)
class _Search:
    """What the prompt search may ask, and what is stored of the answers."""

    panel: Panel
    questions: Sequence[Question]
    known: Mapping[str, StoredAnswer]
    best: Candidate | None  # None: it is not known before the search has asked
    rival: Candidate  # the best prompt, or the dearest one while that is not known


def _at_most(space: Workspace, search: _Search) -> list[str]:
    prompts = space.case.use_case.prompts
    if search.best or (prompts.rounds == 1 and prompts.optimiser is None):
        return []
    return ["The prompt search costs at most so much: what drops out on the way is asked less."]


def _search(space: Workspace, edge: Edge) -> _Search:
    panel = search_panel(space, edge)
    questions = build(panel)
    known = edge.ledger.stored_answers([question.request for question in questions])
    best = replay(space, edge)
    return _Search(panel, questions, known, best, best or _dearest(panel, space, edge))


def _of_search(space: Workspace, edge: Edge, search: _Search) -> list[Batch]:
    """At most: variants that drop out on the way ask less. Nothing where the ledger holds all that it will ask."""
    if search.best:
        return []
    batches = optimiser_batches(space, edge, search.panel)
    for candidate in search.panel.candidates:
        own = [question for question in search.questions if question.candidate == candidate.name]
        missing = [question for question in own if question.request not in search.known]
        tokens = most_answer_tokens(candidate.prompt, answer_tokens(search.panel))
        found = _requests(missing, len(missing), tokens, paid_price(candidate, space, edge))
        batches.append((candidate.endpoint, replace(found, part="prompt search")))
    return batches


def _field(
    space: Workspace, search: _Search, champion: Contestant | None, tunes: Sequence[Candidate]
) -> list[Contestant]:
    """The final comparison: champion, best prompt, and the tunes."""
    prompt = search.rival.model_copy(update={"name": "best-prompt"})
    contestants = [*([champion] if champion else []), *((item, space.few_shots) for item in (prompt, *tunes))]
    first = {item.digest: (item, shots) for item, shots in reversed(contestants)}
    return [first[item.digest] for item, _ in contestants if first[item.digest][0] is item]


def _final_panel(space: Workspace, edge: Edge, field: Sequence[Contestant]) -> Panel:
    shots = {item.name: shots for item, shots in field}
    panel = final_panel(space, edge, [item for item, _ in field])
    return replace(panel, few_shots=lambda candidate: shots[candidate.name])


def _of_final(space: Workspace, edge: Edge, search: _Search, field: Sequence[Contestant]) -> list[Batch]:
    found = [(item, _answers_of(space, edge, search.panel, item, shots)) for item, shots in field]
    timed = space.case.use_case.gates.max_latency_ratio is not None and any(requests.count for _, requests in found)
    return [
        (item.endpoint, requests if requests.count or not timed else replace(requests, count=clock.SAMPLE))
        for item, requests in found
    ]


def _answers_of(space: Workspace, edge: Edge, panel: Panel, candidate: Candidate, shots: FewShots) -> Requests:
    """A test set that was opened before may have answers in the ledger: what they hold is not counted."""
    opened = was_opened(space, edge)
    rows = space.rows("test") if opened else panel.rows.head(SAMPLE)
    final = final_panel(space, edge, [candidate])
    asked = build(replace(final, rows=rows, few_shots=lambda _: shots))
    stored = edge.ledger.stored_answers([question.request for question in asked]) if opened else {}
    left = [question for question in asked if question.request not in stored]
    again = (final.repeats - 1) * len(final.repeated)
    count = len(left) if opened else len(space.partitions.test) + again
    tokens = most_answer_tokens(candidate.prompt, answer_tokens(panel))
    return _requests(left or asked, count, tokens, paid_price(candidate, space, edge))


def _requests(measured: Sequence[Question], count: int, completion_tokens: float, at: Price) -> Requests:
    mean = sum(len(question.body) for question in measured) / len(measured) / 4 if measured else 0.0
    return Requests(count, mean, completion_tokens, at)


def _dearest(panel: Panel, space: Workspace, edge: Edge) -> Candidate:
    """The variant whose answers cost most: whichever wins, the estimate holds. One of unknown price comes first."""

    def cost(candidate: Candidate) -> float:
        asked = build(replace(panel, candidates=[candidate], rows=panel.rows.head(SAMPLE)))
        tokens = most_answer_tokens(candidate.prompt, answer_tokens(panel))
        found = answer_cost(_requests(asked, len(asked), tokens, paid_price(candidate, space, edge)))
        return math.inf if found is None else found

    return max(panel.candidates, key=cost)


def _tunes(space: Workspace, search: _Search, intent: Intent | None) -> list[Candidate]:
    """The tune with both prompts, by its name where it is bought already."""
    base = space.case.use_case.fine_tune.base_model
    model = _asked_as(intent) if intent and intent.model else f"a tune of {base}"
    minimal = space.prompts[space.case.use_case.prompts.minimal]
    full = search.rival.prompt
    return [
        Candidate(
            name=name,
            kind="tune",
            model=model,
            base_model=base,
            prompt=prompt,
            examples=examples_of(space, prompt),
        )
        for name, prompt in (("tune-minimal", minimal), ("tune-full", full))
    ]


def _asked_as(intent: Intent) -> str:
    """The name that requests asked for, which is not always the tune's own; the run that bought it knows."""
    path = run_path(intent.run)
    with suppress(TamperedFileError, ValueError):  # gone, or of another release
        folder = RunFolder(path) if path.is_dir() else None
        if folder and folder.has("tuned.json"):
            return folder.read_json("tuned.json", FineTuned).asked_as
    return str(intent.model)


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
