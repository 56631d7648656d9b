"""What a run will cost, whether it may, and the one job that it buys."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from data_contracts.money import Estimate, FineTuned, Job, JobEvent, Submission
from tasks.clock import Clock
from tasks.decide import readiness
from tasks.decide.readiness import Plan, Requests, Training
from tasks.evaluate.questions import Panel, build
from tasks.finetune.submit import Order, conclude, intent_key
from tasks.finetune.submit import submit as buy
from tasks.finetune.wait import WaitPolicy, await_servable
from tasks.finetune.wait import wait as wait_for
from tasks.ledger_tables import IntentState
from tasks.partition.split import unseen_labels
from tasks.prompting.prompt import estimated_tokens
from tasks.steps.contest import search_panel
from tasks.steps.data import training_files
from tasks.workspace import Edge, Workspace

SAMPLE = 25  # rows whose prompts are measured to estimate a mean


def estimate(space: Workspace, edge: Edge, train: bool) -> Estimate:
    """Tokens, price, and what difference this test set can show. Nothing is sent; the provider is asked for prices."""
    if not space.folder.has("estimate.json"):
        panel = search_panel(space, edge.provider)
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

    What a resumed run has spent already is part of its own estimate, and not counted twice.
    """
    case = space.case.use_case
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    others = edge.ledger.spent(case.name, month.timestamp()) - edge.ledger.spent_in_run(space.folder.run)
    readiness.require_budget(found, case.budget, max(0.0, others), approved, space.folder.run)


def submit(space: Workspace, edge: Edge, clock: Clock) -> Submission:
    """The one job of this intent: bought now, or found where an earlier run left it."""
    if not space.folder.has("submission.json"):
        space.folder.write_json("submission.json", buy(order(space), edge.provider, edge.ledger, clock))
    return space.folder.read_json("submission.json", Submission)


def wait(space: Workspace, edge: Edge, clock: Clock, on_event: Callable[[JobEvent], None]) -> FineTuned:
    """The tuned model, once it answers; its cost is on record."""
    if not space.folder.has("tuned.json"):
        policy = WaitPolicy(deadline_s=3600 * space.case.use_case.fine_tune.deadline_hours)
        submission = space.folder.read_json("submission.json", Submission)
        start = clock.monotonic()
        job = wait_for(submission.job_id, edge.provider, policy, clock, on_event)
        assert job.model is not None  # noqa: S101 - `wait` returns no job without one
        await_servable(job.model, edge.provider, clock)
        cost = _training_cost(job, edge)
        if cost is not None:
            key, case = f"training {submission.intent}", space.case.use_case.name
            edge.ledger.record_spend(key, case, space.folder.run, "training", cost)
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
    return Training(
        examples=wanted.training.examples,
        tokens=wanted.training.tokens,
        epochs=wanted.fine_tune.n_epochs,
        price=edge.provider.price(wanted.fine_tune.base_model, tuned=False),
        already_paid=intent is not None and intent.state in {IntentState.SUBMITTED, IntentState.ENDED},
    )


def _search_requests(panel: Panel, edge: Edge) -> list[Requests]:
    """Those of the prompt search that the ledger cannot answer yet, by variant."""
    questions = build(panel)
    known = edge.ledger.stored_answers([question.request for question in questions])
    found = []
    for candidate in panel.candidates:
        sizes = [len(item.body) for item in questions if item.candidate == candidate.name and item.request not in known]
        price = edge.provider.price(candidate.model, tuned=False)
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
    base = Requests(cases, tokens, _answer_tokens(panel), edge.provider.price(longest.model, tuned=False))
    if not train:
        return [base]
    price = edge.provider.price(space.case.use_case.fine_tune.base_model, tuned=True)
    return [base, Requests(2 * cases, tokens, _answer_tokens(panel), price)]


def _answer_tokens(panel: Panel) -> float:
    outputs: Sequence[str] = panel.rows["output"].tolist()
    return estimated_tokens([{"content": text} for text in outputs]) / max(1, len(outputs))


def _training_cost(job: Job, edge: Edge) -> float | None:
    price = edge.provider.price(job.base_model, tuned=False).training
    return None if price is None or job.trained_tokens is None else job.trained_tokens * price / 1e6
