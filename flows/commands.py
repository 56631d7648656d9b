"""What the commands around a trial do; they take the trial's own steps, without Prefect."""

from dataclasses import asdict
from typing import Any

from data_contracts.records import as_json
from data_contracts.redaction import REDACTIONS, Redactions
from data_contracts.trial import TrialOptions
from flows.display import reading
from tasks import workspace
from tasks.clock import SystemClock
from tasks.ledger import Ledger
from tasks.steps import audit, curation, data, data_page, money
from tasks.workspace import Workspace, edge_of


def check(use_case: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Everything up to the leakage gate. Nobody is asked anything but the judge of `leakage.semantic`, if any."""
    return _checked(workspace.start(use_case, TrialOptions(settings=settings), "check"))


def estimate(use_case: str, settings: dict[str, Any], train: bool) -> dict[str, Any]:
    """Check, then what the trial would cost and could show. The provider is asked for its prices only."""
    space = workspace.start(use_case, TrialOptions(settings=settings, train=train), "estimate")
    _checked(space)
    return as_json(money.estimate(space, money.price_edge(space), train and space.case.use_case.fine_tune.enabled))


def status() -> dict[str, Any]:
    """Champions, runs and purchases as the ledger has them, newest first."""
    from flows.standing import champion, standing

    ledger = Ledger()
    intents = ledger.intents()
    purchases = [
        {
            "intent": row.key,
            "use_case": row.use_case,
            "run": row.run,
            "state": row.state.value,
            "job": row.job_id,
            "job_state": row.job_state,
            "model": row.model,
        }
        for row in reversed(intents)
    ]
    runs = [standing(row, intents, ledger) for row in reversed(ledger.runs())]
    champions = [champion(move) for move in ledger.last_moves()]
    return {"ledger": ledger.name, "champions": champions, "runs": runs, "purchases": purchases}


def verify(run: str) -> dict[str, Any]:
    """Hashes and sums of a run, checked again."""
    space = workspace.reopen(run)
    folder = space.folder
    redacted = folder.read_json(REDACTIONS, Redactions).sentence if folder.has(REDACTIONS) else ""
    return {"run": run, "files": len(folder.manifest()), "problems": audit.problems(space), "redacted": redacted}


def purge(run: str) -> dict[str, Any]:
    """Delete what the provider still holds of a run: files, model, deployment; each looked for again afterwards."""
    from tasks.steps.purge import purge as delete

    space = workspace.reopen(run)
    purged = delete(space, edge_of(space), SystemClock())
    stays = [{"kind": kind, "id": id_} for kind, id_ in purged.stays]
    return {"run": run, "deleted": [asdict(item) for item in purged.deleted], "stays": stays}


def settle(space: Workspace, found: str | None) -> None:
    """Answer what a parked submission asks: the job's id, or None where there is none."""
    from tasks.finetune.submit import intent_key, resolve

    edge = edge_of(space)
    resolve(intent_key(money.order(space), edge.provider), edge.ledger, edge.provider, found)


def _checked(space: Workspace) -> dict[str, Any]:
    ledger = Ledger()
    with reading() as progress:
        curation.curate(space, ledger, progress)
    expectations = data.validate(space)
    data.partition(space, ledger)
    leaks = data.check_leakage(space, ledger)
    return {
        "run": space.folder.run,
        "folder": str(space.folder.path),
        "page": str(space.folder.file(data_page.NAME)),
        "counts": as_json(data.counts(space)),
        "curation": as_json(curation.report(space)),
        "expectations": [as_json(item) for item in expectations],
        "leakage": as_json(leaks),
        "sealed": as_json(data.sealed(space)),
        "sealed_sentence": data.sealed(space).sentence,
    }
