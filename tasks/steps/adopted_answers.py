"""What an adopted tune answers while it runs: to recent rows first, then to the sealed test cases."""

import math
from dataclasses import dataclass, replace

import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.money import Estimate
from tasks.errors import ProviderRefusedError, ResumableError
from tasks.evaluate.questions import Panel, build
from tasks.finetune.wait import await_servable
from tasks.prompting.reasoning import most_answer_tokens
from tasks.purse import Purse
from tasks.steps.asking import Progress, Terms, answer_tokens, answers_to, paid_price, panel_of, scored
from tasks.steps.contest import asked_before, final_panel, sealed_sha256
from tasks.workspace import Edge, Workspace

TEST, RECENT = "answers.parquet", "recent_answers.parquet"
MOST_RECENT = 500  # rows besides the test cases


@dataclass(frozen=True)
class Recorded:
    """The candidate as it answers, and its scored answers (ANSWER_COLUMNS) on test cases and on recent rows."""

    candidate: Candidate
    test: pd.DataFrame
    recent: pd.DataFrame


def record(space: Workspace, edge: Edge, candidate: Candidate, progress: Progress) -> Recorded:
    """Let the tune answer recent rows and then the test cases; each answer is paid for once.

    The opening is on record before the first test case is asked. Raises ProviderRefusedError where the very first
    question brings no answer, ResumableError where any other does not.
    """
    candidate = _served(space, edge, candidate)
    test, recent = panels(space, edge, candidate)
    if not space.folder.has(RECENT):
        _require_answer(space, edge, replace(recent, rows=recent.rows.head(1)))
        space.folder.write_frame(RECENT, _ask(space, edge, recent, progress))
    if not space.folder.has(TEST):
        if not asked_before(space, edge, build(test)):
            use_case, names = space.case.use_case.name, [candidate.name]
            edge.ledger.record_opening(use_case, sealed_sha256(space), space.folder.run, names)
        space.folder.write_frame(TEST, _ask(space, edge, test, progress))
    return Recorded(candidate, space.folder.read_frame(TEST), space.folder.read_frame(RECENT))


def panels(space: Workspace, edge: Edge, candidate: Candidate) -> tuple[Panel, Panel]:
    """The test cases, as a trial asks them, and recent rows."""
    test = replace(final_panel(space, edge, [candidate]), repeats=1)
    return test, replace(panel_of(space, edge, [candidate], recent_rows(space)), logprobs=test.logprobs)


def recent_rows(space: Workspace) -> pd.DataFrame:
    """The newest train and validation rows, as many as there are test cases and 500 at most; undated ones by hash."""
    parts = {name: getattr(space.partitions, name)[["id", "created_at", "words"]] for name in ("train", "validation")}
    newest = pd.concat(parts.values()).sort_values(["created_at", "words"], ascending=[False, True])
    chosen = set(newest["id"].head(min(len(space.partitions.test), MOST_RECENT)))
    rows = [space.rows(name) for name, keys in parts.items() if not chosen.isdisjoint(keys["id"])]
    every = pd.concat(rows, ignore_index=True)
    return every[every["id"].isin(chosen)].reset_index(drop=True)


def _ask(space: Workspace, edge: Edge, panel: Panel, progress: Progress) -> pd.DataFrame:
    (candidate,) = panel.candidates
    price, plain = paid_price(candidate, space, edge), answer_tokens(panel)
    longer = {candidate.name: most_answer_tokens(candidate.prompt, plain)} if candidate.prompt.reasoning else {}
    terms = Terms({candidate.name: price}, plain, "final answers", longer, [candidate.name])
    answers = answers_to(space, edge, build(panel), terms, progress)
    failed = [answer.finish_reason for answer in answers if answer.outcome == "failed"]
    if failed:
        cause = f"{len(failed)} of {len(answers)} questions brought no answer ({failed[0]})"
        remedy = "Repeat the command: what was answered is kept, and not paid for again."
        raise ResumableError(f"Adopting {candidate.model}", cause, remedy)
    return scored(space, panel, answers, {candidate.name: price})


def _require_answer(space: Workspace, edge: Edge, one: Panel) -> None:
    """One question before all others: a model that is listed need not answer."""
    try:
        _ask(space, edge, one, lambda done, of: None)
    except ResumableError as error:
        if type(error) is not ResumableError:
            raise
        remedy = "See in its provider's console whether it may be asked, then repeat the command."
        raise ProviderRefusedError("a first question", "no_answer", error.cause, remedy) from None


def _served(space: Workspace, edge: Edge, candidate: Candidate) -> Candidate:
    """Under the name that requests ask for. Where tunes are deployed, it is from here on paid by the hour."""
    provider = edge.at(candidate.endpoint)
    if not provider.capabilities.deploys:
        return candidate
    parts = space.folder.read_json("estimate.json", Estimate).parts
    hosting = math.fsum(part.cost or 0.0 for part in parts if part.part == "hosting")
    purse(space, edge).set_aside(f"hosting {space.folder.run}", "hosting", hosting)
    return candidate.model_copy(update={"model": await_servable(candidate.model, provider, edge.ledger.clock).model})


def purse(space: Workspace, edge: Edge) -> Purse:
    """What the adoption may still spend."""
    case = space.case.use_case
    return Purse(edge.ledger, case.name, space.folder.run, case.budget)
