"""`tunegate adopt`: an existing tune becomes champion, its training data unknown, its answers on record."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from data_contracts.money import usd
from data_contracts.records import as_json


@dataclass(frozen=True)
class Choices:
    """What the command line says besides use case and model; empty: as the command's help says."""

    base_model: str = ""
    prompt: str = ""
    endpoint: str = ""
    yes: bool = False
    by: str | None = None
    reason: str = ""


def adopt(use_case: str, model_id: str, choices: Choices) -> dict[str, Any]:
    """Take the tune in. One that was killed part-way goes on when it is asked for again, and pays nothing twice."""
    from flows.environment import prepare
    from flows.moving import announce
    from tasks.register.mlflow_registry import Registry
    from tasks.steps import adoption
    from tasks.steps.adoption import Adopter, Wish
    from tasks.workspace import edge_of

    prepare()
    wish = Wish(model_id, choices.base_model, choices.prompt, choices.endpoint)
    kind: Literal["self-declared", "command line"] = "self-declared" if choices.by else "command line"
    who = Adopter(choices.by or getpass.getuser(), kind, choices.reason)
    space = adoption.open_run(use_case, wish)
    space.folder.claim()
    edge, registry = edge_of(space), Registry(space.case.use_case.name)
    named, champion = adoption.asked_for(space, wish), registry.champion()
    adoption.require_there(named, edge)
    adoption.require_room(named, champion, who.reason)
    with _shown("Reading") as progress:
        adoption.take_data_steps(space, edge.ledger, progress)
    candidate = adoption.candidate_of(space, wish)
    adoption.authorise(space, edge, adoption.estimate(space, edge, candidate), choices.yes, who.by)
    with _shown("Asking") as progress:
        recorded = adoption.record(space, edge, wish, progress)
    record = adoption.described(space, edge, recorded, who)
    done = adoption.register(edge, registry, record, adoption.request_of(record, who, champion))
    space.folder.release()
    if os.environ.get("PREFECT_API_URL") or space.case.use_case.approvals.notify:  # else a server starts for nobody
        announce(space.case.use_case, edge.ledger, record.run)
    replaced = champion.version if champion and champion.version != done.champion_version else None
    return {
        **as_json(record.adoption),
        "version": done.champion_version,
        "replaces": replaced,
        "model_uri": done.model_uri,
        "mlflow_run_id": done.run_id,
        "run_folder": record.folder,
        "spent": edge.ledger.spent_in_run(record.run),
        "next": [f"tunegate watch {use_case}", f"tunegate run {use_case}"],
    }


def show(content: dict[str, Any]) -> None:
    """What was recorded, what is unknown, and what to do next."""
    from rich.console import Console

    console = Console()

    def line(text: str) -> None:
        console.print(text, soft_wrap=True, markup=False, highlight=False)

    instead = f" in the place of version {content['replaces']}" if content["replaces"] else ""
    line(f"{content['model']} is champion of {content['use_case']} as version {content['version']}{instead}.")
    for name, scores in (("test cases", content["test"]), ("recent rows", content["recent"])):
        if scores:
            line(f"  {scores['cases']} {name}: {content['metric']} {_interval(scores['metric'])}, answers recorded")
    line(f"  {_until(content)}; {usd(content['spent'])} spent in this run")
    line("Unknown:")
    for sentence in content["unknown"]:
        line(f"  {sentence}")
    line(f"Answers from:  {content['model_uri']}")
    line(f"Run folder:    {content['run_folder']}")
    line(f"Next: {content['next'][0]} says until when it answers; {content['next'][1]} compares it with a prompt.")


def _interval(metric: dict[str, float]) -> str:
    return f"{metric['value']:.3f} ({metric['low']:.3f} to {metric['high']:.3f})"


def _until(content: dict[str, Any]) -> str:
    day = content["last_day"]
    return f"It no longer answers from {day} on" if day else "Its provider announces no last day"


@contextmanager
def _shown(what: str) -> Iterator[Any]:
    """`progress(done, of)` moves a line on standard error."""
    from rich.console import Console

    with Console(stderr=True).status(f"{what} ...") as status:
        yield lambda done, of: status.update(f"{what}: {done:,} of {of:,}" if of != done else f"{what}: {done:,}")
