"""What a run will cost, whether it may, and the one job that it buys."""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from data_contracts.money import Estimate, FineTuned, Job, JobEvent, Submission
from data_contracts.use_case import ModelAt
from tasks.clock import Clock
from tasks.decide import readiness
from tasks.decide.readiness import Plan, Requests, Training
from tasks.errors import ConfigurationError, ProviderRefusedError
from tasks.evaluate.questions import Panel, build
from tasks.finetune.submit import DEAD, Order, conclude, intent_key
from tasks.finetune.submit import submit as buy
from tasks.finetune.wait import WaitPolicy, await_servable, refusal
from tasks.finetune.wait import wait as wait_for
from tasks.ledger.rows import IntentState
from tasks.partition.split import unseen_labels
from tasks.prompting.prompt import estimated_tokens
from tasks.steps.contest import search_panel
from tasks.steps.data import training_files
from tasks.workspace import Edge, Workspace

SAMPLE = 25  # rows whose prompts are measured to estimate a mean


def estimate(space: Workspace, edge: Edge, train: bool) -> Estimate:
    """Tokens, price, and what difference this test set can show. Nothing is sent; the provider is asked for prices.

    Raises ProviderRefusedError where this very job was bought before and came to nothing.
    """
    if not space.folder.has("estimate.json"):
        panel = search_panel(space, edge)
        plan = Plan(
            test_cases=len(space.partitions.test),
            requests=[*_search_requests(panel, edge), *_final_requests(space, panel, edge, train)],
            training=_training(space, edge) if train else None,
            unseen_labels=unseen_labels(space.partitions) if space.labels else (),
        )
        space.folder.write_json("estimate.json", readiness.estimate(plan, space.case.use_case.gates))
    return space.folder.read_json("estimate.json", Estimate)


def require_budget(space: Workspace, edge: Edge, found: Estimate, approved: bool) -> None:
    """Raise BudgetError or ApprovalRequiredError before the first paid call.

    What a resumed run has spent already is part of its own estimate, and not counted twice. Raises ConfigurationError
    where the provider lacks a base model that is still to be asked or trained.
    """
    _require_models(space, edge, found)
    case = space.case.use_case
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    others = edge.ledger.spent(case.name, month.timestamp()) - edge.ledger.spent_in_run(space.folder.run)
    readiness.require_budget(found, case.budget, max(0.0, others), approved, space.folder.run)


def submit(space: Workspace, edge: Edge, clock: Clock) -> Submission:
    """The one job of this intent: bought now, or found where an earlier run left it."""
    if not space.folder.has("submission.json"):
        submission = buy(order(space), edge.provider, edge.ledger, clock)
        _record_training(space, edge, submission, _expected_cost(space, edge))  # the cap sees a job under way
        space.folder.write_json("submission.json", submission)
    return space.folder.read_json("submission.json", Submission)


def wait(space: Workspace, edge: Edge, clock: Clock, on_event: Callable[[JobEvent], None]) -> FineTuned:
    """The tuned model, once it answers; its cost is on record."""
    if not space.folder.has("tuned.json"):
        policy = WaitPolicy(deadline_s=3600 * space.case.use_case.fine_tune.deadline_hours)
        submission = space.folder.read_json("submission.json", Submission)
        start = clock.monotonic()
        try:
            job = wait_for(submission.job_id, edge.provider, policy, clock, on_event)
        except ProviderRefusedError:
            _conclude_dead(submission, edge)
            raise
        assert job.model is not None  # noqa: S101 - `wait` returns no job without one
        await_servable(job.model, edge.provider, clock)
        cost = _training_cost(job, edge)
        _record_training(space, edge, submission, cost)
        _settle_training(edge, submission, cost)
        conclude(submission, job, edge.provider, edge.ledger)
        tuned = FineTuned(
            submission=submission,
            model=job.model,
            base_model=job.base_model,
            trained_tokens=job.trained_tokens,
            training_cost=cost,
            seconds=clock.monotonic() - start,
        )
        space.folder.write_json("tuned.json", tuned)
    return space.folder.read_json("tuned.json", FineTuned)


def order(space: Workspace) -> Order:
    """What this run wants to buy."""
    training, validation = training_files(space)
    case = space.case.use_case
    return Order(case.name, space.folder.run, training, validation, case.fine_tune)


def _training(space: Workspace, edge: Edge) -> Training:
    wanted = order(space)
    intent = edge.ledger.intent(intent_key(wanted, edge.provider))
    if intent is not None and intent.job_state in DEAD:
        raise refusal(edge.provider.job(str(intent.job_id)))
    return Training(
        examples=wanted.training.examples,
        tokens=wanted.training.tokens,
        epochs=wanted.fine_tune.n_epochs,
        price=edge.provider.price(wanted.fine_tune.base_model, tuned=False),
        already_paid=intent is not None and intent.state in {IntentState.SUBMITTED, IntentState.ENDED},
    )


def _require_models(space: Workspace, edge: Edge, found: Estimate) -> None:
    case = space.case.use_case
    wanted: list[tuple[str, ModelAt]] = []
    if not space.folder.has("prompt_search.json"):
        wanted += [("prompts.base_models", at) for at in case.prompts.models]
    if space.options.train and not found.already_paid and not space.folder.has("submission.json"):
        wanted.append(("fine_tune.base_model", ModelAt(model=case.fine_tune.base_model)))
    listed = {name: sorted(info.id for info in edge.at(name).models()) for name in {at.endpoint for _, at in wanted}}
    for where, at in wanted:
        known = listed[at.endpoint]
        if not any(name == at.model or name.startswith(f"{at.model}-") for name in known):  # undated names are aliases
            whose = f"endpoint {at.endpoint}" if at.endpoint else "the provider"
            remedy = f"It lists: {', '.join(known) or 'none'}."
            raise ConfigurationError(where, f"{whose} has no model {at.model}", remedy)


def _search_requests(panel: Panel, edge: Edge) -> list[Requests]:
    """Those of the prompt search that the ledger cannot answer yet, by variant."""
    questions = build(panel)
    known = edge.ledger.stored_answers([question.request for question in questions])
    found = []
    for candidate in panel.candidates:
        sizes = [len(item.body) for item in questions if item.candidate == candidate.name and item.request not in known]
        price = edge.at(candidate.endpoint).price(candidate.model, tuned=False)
        mean = sum(sizes) / len(sizes) / 4 if sizes else 0.0
        found.append(Requests(len(sizes), mean, _answer_tokens(panel), price))
    return found


def _final_requests(space: Workspace, panel: Panel, edge: Edge, train: bool) -> list[Requests]:
    """The final comparison, with the longest prompt in the place of the best one, which nobody knows yet."""
    few = Panel(panel.candidates, panel.rows.head(SAMPLE), panel.renderer, panel.few_shots, panel.identity)
    sizes: dict[str, list[int]] = {}
    for question in build(few):
        sizes.setdefault(question.candidate, []).append(len(question.body))
    longest = max(panel.candidates, key=lambda item: sum(sizes[item.name]))
    tokens, cases = sum(sizes[longest.name]) / len(sizes[longest.name]) / 4, len(space.partitions.test)
    base = Requests(cases, tokens, _answer_tokens(panel), edge.at(longest.endpoint).price(longest.model, tuned=False))
    if not train:
        return [base]
    price = edge.provider.price(space.case.use_case.fine_tune.base_model, tuned=True)
    return [base, Requests(2 * cases, tokens, _answer_tokens(panel), price)]


def _answer_tokens(panel: Panel) -> float:
    outputs: Sequence[str] = panel.rows["output"].tolist()
    return estimated_tokens([{"content": text} for text in outputs]) / max(1, len(outputs))


def _expected_cost(space: Workspace, edge: Edge) -> float | None:
    return readiness.training_cost(dataclasses.replace(_training(space, edge), already_paid=False))


def _record_training(space: Workspace, edge: Edge, submission: Submission, cost: float | None) -> None:
    """Once a purchase, whichever run attaches to it."""
    if cost is not None:
        edge.ledger.record_spend(_spend(submission), space.case.use_case.name, space.folder.run, "training", cost)


def _settle_training(edge: Edge, submission: Submission, cost: float | None) -> None:
    """What was paid takes the place of the estimate, which stays where the cost is unknown."""
    if cost is not None:
        edge.ledger.settle_spend(_spend(submission), cost)


def _spend(submission: Submission) -> str:
    return f"training {submission.intent}"


def _conclude_dead(submission: Submission, edge: Edge) -> None:
    """A failed job costs what it trained on, nothing where it names no tokens; a cancelled one keeps its estimate."""
    job = edge.provider.job(submission.job_id)
    if job.state in DEAD:
        edge.ledger.advance(submission.intent, IntentState.ENDED, job_state=job.state)
        nothing = 0.0 if job.state == "failed" and job.trained_tokens is None else None
        _settle_training(edge, submission, _training_cost(job, edge) if nothing is None else nothing)


def _training_cost(job: Job, edge: Edge) -> float | None:
    price = edge.provider.price(job.base_model, tuned=False).training
    return None if price is None or job.trained_tokens is None else job.trained_tokens * price / 1e6
