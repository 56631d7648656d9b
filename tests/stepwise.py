"""A trial taken step by step, without Prefect: the same calls in the same order as tasks/prefect_tasks.py."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_contracts.contest import VerdictRef
from data_contracts.trial import TrialOptions, TrialRecord, TrialRef
from tasks import workspace
from tasks.clock import SystemClock
from tasks.ledger import Ledger
from tasks.register.mlflow_registry import Registry
from tasks.steps import conclusion, contest, curation, data, judgement, money, prompt_search
from tasks.workspace import Edge, Workspace, edge_of


def begin(use_case: Path | str, **options: Any) -> Workspace:
    """A new run of a use case."""
    return workspace.start(str(use_case), TrialOptions(**options))


def take_data_steps(space: Workspace) -> Workspace:
    """From the source to training files; nothing leaves the machine."""
    ledger = Ledger()
    curation.curate(space, ledger)
    data.validate(space)
    data.partition(space, ledger)
    data.check_leakage(space, ledger)
    return space


def take_money_steps(space: Workspace, edge: Edge, approved: bool = False) -> None:
    """Estimate, seal, find the best prompt, and, unless the run goes without, buy the tune."""
    found = money.estimate(space, edge, space.options.train)
    money.require_budget(space, edge, found, approved)
    data.seal(space, edge.ledger)
    prompt_search.search(space, edge, unseen)
    if space.options.train:
        money.submit(space, edge, SystemClock())
        money.wait(space, edge, SystemClock(), lambda event: None)


def take_contest_steps(space: Workspace, edge: Edge, registry: Registry) -> None:
    """Let every candidate answer the test set, and judge."""
    contest.evaluate(space, edge, conclusion.champion(space, registry), unseen)
    judgement.judge(space)


def forget(space: Workspace, *names: str) -> None:
    """As if the run had been killed before these files were written."""
    path = space.folder.file("manifest.json")
    manifest = json.loads(path.read_text())
    for name in names:
        del manifest["files"][name]
        space.folder.file(name).unlink()
    path.write_text(json.dumps(manifest))


def unseen(done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Finished:
    """A trial with a verdict; `ref` is as the flow hands it round."""

    space: Workspace
    ref: TrialRef
    record: TrialRecord


def judged(use_case: Path, **options: Any) -> Finished:
    """A whole trial up to its report; nothing is registered yet."""
    space = take_data_steps(begin(use_case, **options))
    edge, registry = edge_of(space), Registry(space.case.use_case.name)
    run = space.folder.run
    ref = TrialRef(
        run=run,
        started=workspace.started(run),
        use_case=space.case.use_case.name,
        folder=str(space.folder.path),
        mlflow_run_id=registry.open_trial(run, {}),
        train=space.options.train,
        approved=False,
    )
    take_money_steps(space, edge)
    take_contest_steps(space, edge, registry)
    return Finished(space, ref, conclusion.report(space, ref, edge))


def registered(use_case: Path, **options: Any) -> VerdictRef:
    """A whole trial to its end."""
    trial = judged(use_case, **options)
    return conclusion.register(trial.space, trial.ref, trial.record, Registry(trial.ref.use_case))
