"""What a run will cost, whether it may, the one job that it buys, and what it did cost in the end."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from data_contracts.consent import Consent
from data_contracts.money import Estimate, FineTuned, Job, JobEvent, Submission
from tasks.clock import Clock
from tasks.decide import readiness
from tasks.decide.rules import check_tiers
from tasks.errors import ApprovalRequiredError, ProviderRefusedError, TunegateError
from tasks.finetune.cleanup import CleanUp
from tasks.finetune.offer import require_offered
from tasks.finetune.order import intent_key
from tasks.finetune.submit import DEAD, conclude
from tasks.finetune.submit import submit as buy
from tasks.finetune.wait import WaitPolicy, await_servable
from tasks.finetune.wait import wait as wait_for
from tasks.ledger import Ledger
from tasks.ledger.rows import Approval, IntentState
from tasks.providers.connect import connect_for_prices
from tasks.purse import DUST, Purse
from tasks.steps import planning
from tasks.steps.asking import scoring
from tasks.steps.cost import actual_cost
from tasks.steps.models import require_models
from tasks.steps.planning import order
from tasks.workspace import Edge, Workspace

__all__ = [
    "actual_cost",
    "approve_spending",
    "estimate",
    "order",
    "price_edge",
    "require_budget",
    "submit",
    "wait",
]

log = logging.getLogger("tunegate.money")
SPENDING = "spending"
QUOTED = "quoted.json"  # the estimate with the provider's quote in it, where that needs another yes
NOT_SENT = (IntentState.INTENT, IntentState.UPLOADED)


def price_edge(space: Workspace) -> Edge:
    """The edge for an estimate: no key is needed, and nobody can be asked for more than a price."""
    case = space.case.use_case
    endpoints = {name: connect_for_prices(settings) for name, settings in case.endpoints.items()}
    return Edge(connect_for_prices(case.provider), Ledger(), endpoints, prices_only=True)


def estimate(space: Workspace, edge: Edge, train: bool) -> Estimate:
    """Tokens, price, and what difference this test set can show. Nothing is sent; the provider is asked for prices.

    Raises ProviderRefusedError where this very job was bought before and came to nothing.
    """
    if not space.folder.has("estimate.json"):
        check_tiers(space.case.use_case.gates)
        scoring(space, {})  # a scorer that is not there is told before anything is sent
        if train:
            wanted = order(space)
            require_offered(wanted.fine_tune, wanted.training, edge.provider)
        found = readiness.estimate(planning.plan(space, edge, train), space.case.use_case.gates)
        space.folder.write_json("estimate.json", found)
    return space.folder.read_json("estimate.json", Estimate)


def approve_spending(space: Workspace, ledger: Ledger, found: Estimate, yes: Consent) -> Approval:
    """Record a person's yes to what is estimated, or to the provider's quote where that came since; nothing else."""
    agreed = _present(space, found)
    approval = Approval(
        run=space.folder.run,
        kind=SPENDING,
        sha256=readiness.estimate_sha256(agreed),
        amount=agreed.total_cost,
        approved_by=yes.by,
        approved_at=ledger.clock.now(),
        note=yes.note,
        how=yes.by_kind,
    )
    ledger.approve(approval)
    return approval


def require_budget(space: Workspace, edge: Edge, found: Estimate, approved: bool = False) -> None:
    """Raise BudgetError or ApprovalRequiredError before the first paid call. `approved`: a yes to whatever it is.

    What a resumed run has spent already is part of its own estimate, and not counted twice. Raises ConfigurationError
    where the provider lacks a base model that is still to be asked or trained.
    """
    require_models(space, edge, found)
    case, agreed = space.case.use_case, _present(space, found)
    month = _purse(space, edge.ledger).month
    others = edge.ledger.spent(case.name, month) - edge.ledger.spent_in_run(space.folder.run, month)
    yes = approved or _approval(space, edge.ledger, agreed) is not None
    readiness.require_budget(agreed, case.budget, max(0.0, others), yes, space.folder.run)


def submit(space: Workspace, edge: Edge, clock: Clock) -> Submission:
    """The one job of this intent: bought now, or found where an earlier run left it.

    Its cost is set aside before the paid request. Raises BudgetError or ApprovalRequiredError where the provider's
    quote is more than a cap or a yes allows; nothing is bought then.
    """
    if not space.folder.has("submission.json"):
        wanted, key = order(space), intent_key(order(space), edge.provider)
        with _given_back_if_not_sent(edge.ledger, key):
            submission = buy(wanted, edge.provider, edge.ledger, clock, _allow(space, edge, key))
        _record_training(space, edge, submission)
        space.folder.write_json("submission.json", submission)
    return space.folder.read_json("submission.json", Submission)


def wait(space: Workspace, edge: Edge, clock: Clock, on_event: Callable[[JobEvent], None]) -> FineTuned:
    """The tuned model, once it answers; its cost is on record. A resumed run deploys it again where that is needed."""
    if space.folder.has("tuned.json"):
        _serve_again(space, edge, clock)
    else:
        submission = space.folder.read_json("submission.json", Submission)
        start = clock.monotonic()
        try:
            job = wait_for(submission.job_id, edge.provider, _policy(space, edge, submission), clock, on_event)
        except ProviderRefusedError:
            if _conclude_dead(submission, edge):
                _delete_files(space, edge, submission, clock)
            raise
        assert job.model is not None  # noqa: S101 - `wait` returns no job without one
        seconds, cost = clock.monotonic() - start, _job_cost(job, edge)
        _settle_training(edge, submission, cost)
        _set_hosting_aside(space, edge)
        serving = await_servable(job.model, edge.provider, clock)
        tuned = FineTuned(
            submission=submission,
            model=job.model,
            base_model=job.base_model,
            answers_as=serving.model if serving.model != job.model else "",
            trained_tokens=job.trained_tokens,
            training_cost=cost,
            seconds=seconds,
            jobs_found=conclude(submission, job, edge.provider, edge.ledger),
        )
        space.folder.write_json("tuned.json", tuned)
        _delete_files(space, edge, submission, clock)
    return space.folder.read_json("tuned.json", FineTuned)


def _serve_again(space: Workspace, edge: Edge, clock: Clock) -> None:
    """A deployment that idled away, or that another run took down, is needed until every answer is there."""
    if edge.provider.capabilities.deploys and not space.folder.has("answers.parquet"):
        _set_hosting_aside(space, edge)
        tuned = space.folder.read_json("tuned.json", FineTuned)
        name = await_servable(tuned.model, edge.provider, clock).model
        if name != tuned.asked_as:
            space.folder.write_json("tuned.json", tuned.model_copy(update={"answers_as": name}))


def _policy(space: Workspace, edge: Edge, submission: Submission) -> WaitPolicy:
    wanted = space.case.use_case.fine_tune
    return WaitPolicy(
        deadline_s=3600 * wanted.deadline_hours,
        stuck_s=3600 * wanted.stuck_hours,
        nudged_at=lambda: edge.ledger.nudged_at(submission.job_id),
    )


# ------------------------------------------------------------ a yes


def _present(space: Workspace, found: Estimate) -> Estimate:
    """The estimate, with the provider's quote in it where that stopped the purchase."""
    return space.folder.read_json(QUOTED, Estimate) if space.folder.has(QUOTED) else found


def _approval(space: Workspace, ledger: Ledger, found: Estimate) -> Approval | None:
    return ledger.approval(space.folder.run, SPENDING, readiness.estimate_sha256(found))


def _allow(space: Workspace, edge: Edge, key: str) -> Callable[[float | None], None]:
    """Who is asked once the provider has said what the job will cost, and before it is bought."""

    def allow(quote: float | None) -> None:
        found = estimate(space, edge, train=True)
        expected = _expected_cost(space, edge) if quote is None else quote
        if quote is not None:
            _require_yes(space, edge.ledger, found, quote)
        lines = [part.cost for part in found.parts if part.part in ("hosting", "final answers")]
        to_follow = math.fsum(cost for cost in lines if cost is not None)
        if expected is not None:
            _purse(space, edge.ledger).set_aside(f"training {key}", "training", expected, to_follow)

    return allow


def _require_yes(space: Workspace, ledger: Ledger, found: Estimate, quote: float) -> None:
    """A yes covers its own amount; one to an unknown cost of training covers whatever the caps let through."""
    quoted, threshold = readiness.with_quote(found, quote), space.case.use_case.budget.approval_above
    if _approval(space, ledger, quoted):
        return
    given, covered = _approval(space, ledger, found), threshold
    if given:
        known = math.inf if found.training_cost is None else found.known_cost
        covered = max(threshold, known if given.amount is None else given.amount)
    if quoted.known_cost > covered + DUST:
        space.folder.write_json(QUOTED, quoted)
        sha256 = readiness.estimate_sha256(quoted)
        raise ApprovalRequiredError(space.folder.run, quoted.known_cost, threshold, sha256)


# ------------------------------------------------------------ what is spent


def _purse(space: Workspace, ledger: Ledger) -> Purse:
    case = space.case.use_case
    return Purse(ledger, case.name, space.folder.run, case.budget)


@contextmanager
def _given_back_if_not_sent(ledger: Ledger, key: str) -> Iterator[None]:
    """What was set aside for a job is free again if no request for it can be under way."""
    try:
        yield
    except TunegateError:
        with ledger.lock(key):
            intent = ledger.intent(key)
            if intent is not None and intent.state in NOT_SENT:
                ledger.settle_spend(f"training {key}", 0.0)
        raise


def _expected_cost(space: Workspace, edge: Edge) -> float | None:
    """Of the job, as if nobody had bought it yet."""
    return readiness.training_cost(planning.training(space, edge, None))


def _record_training(space: Workspace, edge: Edge, submission: Submission) -> None:
    """A job that was found is on record too: the cap sees it. Once a purchase, whichever run attaches to it."""
    intent = edge.ledger.intent(submission.intent)
    cost = intent.quote if intent and intent.quote is not None else _expected_cost(space, edge)
    if cost is not None:
        _purse(space, edge.ledger).note(f"training {submission.intent}", "training", cost)


def _settle_training(edge: Edge, submission: Submission, cost: float | None) -> None:
    """What was paid takes the place of the estimate, which stays where the cost is unknown."""
    if cost is not None:
        edge.ledger.settle_spend(f"training {submission.intent}", cost)


def _set_hosting_aside(space: Workspace, edge: Edge) -> None:
    """From here on the deployed tune is paid by the hour."""
    if edge.provider.capabilities.deploys and not space.folder.has("hosting.json"):
        lines = [part.cost for part in estimate(space, edge, train=True).parts if part.part == "hosting"]
        cost = math.fsum(cost for cost in lines if cost is not None)
        _purse(space, edge.ledger).set_aside(f"hosting {space.folder.run}", "hosting", cost)
        space.folder.write_json("hosting.json", {"since": edge.ledger.clock.now()})


def _delete_files(space: Workspace, edge: Edge, submission: Submission, clock: Clock) -> None:
    """What was uploaded is of no more use; a provider that cannot delete it now is asked again by `tunegate purge`."""
    intent = edge.ledger.intent(submission.intent)
    if intent is None or not space.case.use_case.fine_tune.delete_files:
        return
    try:
        left = [item.id for item in CleanUp(edge.provider, edge.ledger, clock).files(intent) if not item.proven]
    except TunegateError as error:
        left = [str(error)]
    if left:
        log.warning("uploaded files are still at the provider (%s): `tunegate purge %s`", left[0], space.folder.run)


def _conclude_dead(submission: Submission, edge: Edge) -> bool:
    """Whether the job is dead.

    A failed one costs what it trained on, nothing where it names no tokens; a cancelled one keeps its estimate.
    """
    job = edge.provider.job(submission.job_id)
    if job.state in DEAD:
        edge.ledger.advance(submission.intent, IntentState.ENDED, job_state=job.state)
        nothing = job.state == "failed" and job.trained_tokens is None and job.cost is None
        _settle_training(edge, submission, 0.0 if nothing else _job_cost(job, edge))
    return job.state in DEAD


def _job_cost(job: Job, edge: Edge) -> float | None:
    """USD: what the provider says that the job cost, else its tokens x the price."""
    if job.cost is not None:
        return job.cost
    price = edge.provider.price(job.base_model, tuned=False).training
    return None if price is None or job.trained_tokens is None else job.trained_tokens * price / 1e6
