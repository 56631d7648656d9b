"""Every Prefect task, in flow order: open the edge, take the step, show it. Prefect's policy is here, nowhere else.

A task takes what the one before returned, so a skipped stage is a type error. Names, hashes and counts go through
Prefect's database; rows stay in the run folder, and what was paid for stays in the ledger.
"""

import getpass
import logging
from dataclasses import replace
from typing import TypeVar

from prefect import task

from data_contracts.consent import Consent
from data_contracts.contest import VerdictRef
from data_contracts.money import Estimate, JobEvent, usd
from data_contracts.records import PARTITIONS
from data_contracts.trial import (
    ApprovedRef,
    CuratedRef,
    EstimatedRef,
    EvaluatedRef,
    JudgedRef,
    LeakFreeRef,
    PartitionedRef,
    PromotableRef,
    SearchedRef,
    StageRef,
    SubmittedRef,
    TrialOptions,
    TrialRef,
    TunedRef,
    ValidatedRef,
)
from tasks import prefect_artifacts as show
from tasks import signing, wanted_trials, workspace
from tasks.clock import SystemClock
from tasks.errors import ApprovalRequiredError
from tasks.ledger import Ledger
from tasks.prefect_events import emit
from tasks.providers.watched import watched
from tasks.register.mlflow_registry import Registry
from tasks.steps import conclusion, contest, curation, data, judgement, money, opening, prompt_search
from tasks.workspace import Workspace, edge_of

log = logging.getLogger("tunegate")
log.setLevel(logging.INFO)  # for the UI; the terminal shows what `display.log_to_terminal` says
Ref = TypeVar("Ref", bound=StageRef)


@task(task_run_name="load {use_case}")
def load(use_case: str, options: TrialOptions) -> TrialRef:
    """Fix the use case for this run, or open the run that is resumed; open its MLflow run."""
    show.redact_logs()
    signing.require_usable()
    from prefect.runtime import flow_run

    flow_run_id, ledger = str(flow_run.id or ""), Ledger()
    space = opening.open_run(use_case, options, flow_run_id, ledger)
    opening.take(space, flow_run_id, ledger)
    case, first, run = space.case.use_case, space.options, space.folder.run
    known = ledger.run(run)
    if known and known.detail.get("waits_for"):
        show.void_form(str(known.detail["flow_run_id"]), flow_run_id)
    new_yes = {"approved": False} if opening.is_new_yes(options, flow_run_id, known) else {}
    ledger.record_run(run, case.name, "started", {"flow_run_id": flow_run_id, "waits_for": "", **new_yes})
    trial = TrialRef(
        run=run,
        started=workspace.started(run),
        use_case=case.name,
        folder=str(space.folder.path),
        mlflow_run_id=Registry(case.name).open_trial(run, {"tunegate.flow_run": flow_run_id}),
        train=first.train and case.fine_tune.enabled,
        approved=first.approve_spending or options.approve_spending,
        promotion_approved=opening.is_yes_to_verdict(options, flow_run_id, known, space),
    )
    ledger.record_run(run, case.name, "started", {"mlflow_run_id": trial.mlflow_run_id})
    log.info("run        %s (%s)", run, trial.folder)
    return trial


@task(task_run_name="curate")
def curate(trial: TrialRef) -> CuratedRef:
    """Read the source, drop duplicates, quarantine what is wrong, count everything."""
    space = workspace.of(trial)
    counts = curation.curate(space, Ledger(), show.lines("curate", "records read"))
    report = curation.report(space)
    log.info("curate     %s", counts.sentence)
    for warning in report.warnings:
        log.warning("           %s", warning)
    read = counts.model_dump(include={"records_in", "curated", "duplicates", "quarantined", "excluded"})
    show.counts("curation", read | report.model_dump(), "What became of every record")
    return _ref(space, CuratedRef, trial, "curated.parquet", "quarantine.jsonl")


@task(task_run_name="validate")
def validate(curated: CuratedRef) -> ValidatedRef:
    """Hold the contract against the curated rows; a critical expectation that fails stops the run."""
    space = workspace.of(curated.trial)
    results = data.validate(space)
    contract = space.case.contract
    log.info(
        "validate   %s %s: %d expectations hold", contract.name, contract.version, sum(item.success for item in results)
    )
    columns = ("type", "column", "severity", "success", "unexpected")
    rows = [{name: str(getattr(item, name)) for name in columns} for item in results]
    show.table("contract", rows, f"Expectations of {contract.name} {contract.version}")
    return _ref(space, ValidatedRef, curated.trial, "contract.json")


@task(task_run_name="partition")
def partition(validated: ValidatedRef) -> PartitionedRef:
    """Give every row its partition: by group and near-duplicate cluster, the same one as in earlier trials."""
    space = workspace.of(validated.trial)
    parts = data.partition(space, Ledger())
    sizes = {name: len(getattr(parts, name)) for name in (*PARTITIONS, "withheld")}
    log.info("partition  %s", " + ".join(f"{rows} {name}" for name, rows in sizes.items()))
    show.counts("partitions", sizes, "Rows by partition")
    return _ref(space, PartitionedRef, validated.trial, "split.parquet")


@task(task_run_name="check leakage")
def check_leakage(partitioned: PartitionedRef) -> LeakFreeRef:
    """Stop where an evaluation row gives itself away in train; then write the training files."""
    space = workspace.of(partitioned.trial)
    report = data.check_leakage(space, Ledger())
    found = {f"{name}: {kind}": rows for name, kinds in report.found.items() for kind, rows in kinds.items() if rows}
    judged = report.validation_rows + report.test_rows
    log.info(
        "leakage    %s",
        f"{sum(found.values())} of {judged} evaluation rows leak, {report.withheld} train rows withheld",
    )
    log.info("sealed     %s", data.sealed(space).sentence)
    show.counts("leakage", found or {"leaks": 0}, "Evaluation rows that also occur in train, by kind")
    return _ref(space, LeakFreeRef, partitioned.trial, "leakage.json", "partitions.parquet", "training_files.json")


@task(task_run_name="estimate")
def estimate(leak_free: LeakFreeRef) -> EstimatedRef:
    """Say what the run will cost and can show."""
    space = workspace.of(leak_free.trial)
    found = money.estimate(space, edge_of(space), leak_free.trial.train)
    log.info("estimate   %s", found.sentence)
    for warning in found.warnings:
        log.warning("           %s", warning)
    page = show.markdown("estimate", show.estimate(found), f"{usd(found.total_cost)} in all, before anything is sent")
    ref = _ref(space, EstimatedRef, leak_free.trial, "estimate.json")
    return ref.model_copy(update={"page": page})


@task(task_run_name="authorise")
def authorise(estimated: EstimatedRef) -> ApprovedRef:
    """Stop where a cap or a missing yes says so; then seal the test set. `--yes` goes on record, and is used up by
    the first cost it meets, whether that needed it or not: it is none to a dearer quote that comes later.
    """
    space, trial = workspace.of(estimated.trial), estimated.trial
    edge, found = edge_of(space), space.folder.read_json("estimate.json", Estimate)
    in_advance = opening.yes_in_advance(trial, edge.ledger)
    try:
        money.require_budget(space, edge, found, approved=False)
    except ApprovalRequiredError as needed:
        if not in_advance:
            how = opening.how_to_approve(trial.run)
            raise ApprovalRequiredError(needed.run, needed.amount, needed.threshold, needed.sha256, how) from None
        said = Consent(answer="yes", by=getpass.getuser(), by_kind="command line", note="--yes")
        money.approve_spending(space, edge.ledger, found, said)
        log.info("approved   by %s", getpass.getuser())
    if in_advance:
        edge.ledger.record_run(trial.run, trial.use_case, "started", {"approved": True})
    data.seal(space, edge.ledger)
    return _ref(space, ApprovedRef, trial, "estimate.json")


@task(task_run_name="search prompts")
def search_prompts(approved: ApprovedRef) -> SearchedRef:
    """Try every prompt on every base model on validation rows; the best one is the tune's rival."""
    space = workspace.of(approved.trial)
    with show.progress("searching prompts") as advance:
        found = prompt_search.search(space, edge_of(space), advance)
    best = found.tried[0]
    log.info("prompts    %d tried, best %s: %s %.3f", len(found.tried), best.candidate.name, found.metric, best.score)
    show.table("prompt-search", [item.row for item in found.tried], f"Prompts on validation, by {found.metric}")
    return _ref(space, SearchedRef, approved.trial, "prompt_search.json")


@task(task_run_name="submit")
def submit(searched: SearchedRef) -> SubmittedRef:
    """Buy the fine-tune once, or find it where an earlier run left it. The provider's and the ledger's retries apply:
    a Prefect retry here could not know what was paid.
    """
    space = workspace.of(searched.trial)
    if not searched.trial.train:
        return _ref(space, SubmittedRef, searched.trial)
    submission = money.submit(space, edge_of(space), SystemClock())
    log.info("submit     job %s %s", submission.job_id, "found, nothing bought" if submission.attached else "bought")
    return _ref(space, SubmittedRef, searched.trial, "submission.json")


@task(task_run_name="wait")
def wait(submitted: SubmittedRef) -> TunedRef:
    """Wait for the tuned model; loss and accuracy go to MLflow as they come."""
    space, trial = workspace.of(submitted.trial), submitted.trial
    if not trial.train:
        return _ref(space, TunedRef, trial)
    registry, edge, clock = Registry(trial.use_case), edge_of(space), SystemClock()
    with show.job(clock) as view:

        def on_event(event: JobEvent) -> None:
            view.on_event(event)
            registry.log_events(trial.mlflow_run_id, [event])

        overheard = replace(edge, provider=watched(edge.provider, view.on_job))
        tuned = money.wait(space, overheard, clock, on_event)
    log.info("tuned      %s", tuned.model)
    return _ref(space, TunedRef, trial, "tuned.json")


@task(task_run_name="evaluate")
def evaluate(tuned: TunedRef) -> EvaluatedRef:
    """Let every candidate answer the sealed test set."""
    space, trial = workspace.of(tuned.trial), tuned.trial
    champion = conclusion.champion(space, Registry(trial.use_case))
    with show.progress("evaluation") as advance:
        field = contest.evaluate(space, edge_of(space), champion, advance)
    log.info("evaluate   %d cases each: %s", len(space.partitions.test), ", ".join(item.name for item in field))
    return _ref(space, EvaluatedRef, trial, "answers.parquet", "candidates.json")


@task(task_run_name="judge")
def judge(evaluated: EvaluatedRef) -> JudgedRef:
    """Compare the candidates case by case and reach a verdict."""
    space, trial = workspace.of(evaluated.trial), evaluated.trial
    found = judgement.judge(space)
    verdict, comparison = found.verdict, found.comparison
    for item in comparison.candidates:
        log.info(
            "           %-13s %s %.3f (%.3f to %.3f)",
            item.candidate.name,
            comparison.metric,
            *item.metric.model_dump().values(),
        )
    log.info("verdict    %s: %s", verdict.decision, verdict.winner.name)
    log.info("next       %s", found.recommendation.action)
    show.table("candidates", [item.row for item in comparison.candidates], f"Sealed test set, {comparison.metric}")
    show.markdown("verdict", show.verdict(verdict, comparison), show.in_short(verdict, comparison))
    show.markdown("recommendation", found.recommendation.markdown, f"What to do next: {found.recommendation.action}")
    show.table("failures", [item.row for item in found.failures.candidates], "What each candidate gets wrong")
    written = ("comparison.json", "failures.json", "recommendation.json", "verdict.json")
    return _ref(space, JudgedRef, trial, *written)


@task(task_run_name="register")
def register(agreed: PromotableRef) -> VerdictRef:
    """Write the report, register the winner in MLflow, move the champion alias unless somebody said no to that."""
    space, trial = workspace.of(agreed.trial), agreed.trial
    edge, registry = edge_of(space), Registry(trial.use_case)
    record = conclusion.report(space, trial, edge)
    result = conclusion.register(space, trial, record, registry)
    conclusion.withdraw_loser(space, edge, registry)
    registry.close(trial.mlflow_run_id, "FINISHED")
    decided = {"decision": result.decision, "winner": result.winner}
    edge.ledger.record_run(trial.run, trial.use_case, "finished", decided)
    space.folder.release()
    log.info("cost       %s", record.cost.sentence)
    show.table("cost", [item.row for item in record.cost.parts], record.cost.sentence)
    log.info("register   %s", result.model_uri)
    _tell(space, result, edge.ledger)
    return result


def _tell(space: Workspace, result: VerdictRef, ledger: Ledger) -> None:
    """Events of the verdict and of the trial that is to follow it, each one however often the trial is resumed."""
    if result.decision != "promote" and space.options.otherwise:
        asked = TrialOptions(settings=space.options.otherwise, reason=space.options.reason)
        why = f"{result.run} promoted nobody: {result.decision}"
        wanted = {"use_case": result.use_case, "options": asked.model_dump(), "why": why}
        wanted_trials.want(ledger, result.use_case, f"after {result.run}", wanted)
    facts = {"run": result.run, "decision": result.decision, "winner": result.winner, "model": result.winner_model}
    emit("trial.verdict", result.use_case, facts, key=result.run)


def _ref(space: Workspace, kind: type[Ref], trial: TrialRef, *files: str) -> Ref:
    manifest = space.folder.manifest()
    return kind(trial=trial, files={name: manifest[name] for name in files})
