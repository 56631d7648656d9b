"""Who may answer, and what they answered."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.contest import ChampionStanding, PromptSearch
from data_contracts.money import FineTuned
from data_contracts.records import Counts
from tasks.evaluate.answer import Question
from tasks.evaluate.questions import Panel, build
from tasks.steps import champion as incumbent
from tasks.steps import clock, general, preferences
from tasks.steps.asking import Progress, ask, examples_of, panel_of
from tasks.workspace import Edge, Workspace

STORED = "stored_before.parquet"
log = logging.getLogger("tunegate.contest")


def candidates(space: Workspace, champion: Candidate | None) -> list[Candidate]:
    """Champion, best prompt, tune with the minimal and with the full prompt; each contestant once."""
    best = space.folder.read_json("prompt_search.json", PromptSearch).best
    field = [champion.model_copy(update={"name": "champion"})] if champion else []
    field.append(best.model_copy(update={"name": "best-prompt"}))
    if space.folder.has("tuned.json"):
        tuned = space.folder.read_json("tuned.json", FineTuned)
        minimal = space.prompts[space.case.use_case.prompts.minimal]
        field += [
            Candidate(
                name=name,
                kind="tune",
                model=tuned.asked_as,
                base_model=tuned.base_model,
                tuned_model=tuned.model,
                prompt=prompt,
                examples=examples_of(space, prompt),
            )
            for name, prompt in (("tune-minimal", minimal), ("tune-full", best.prompt))
        ]
    first = {candidate.digest: candidate for candidate in reversed(field)}
    return [candidate for candidate in field if first[candidate.digest] is candidate]


def evaluate(space: Workspace, edge: Edge, champion: Candidate | None, progress: Progress) -> Sequence[Candidate]:
    """All candidates answer the sealed test set, interleaved; the opening is on record before the first answer.

    A champion that no longer answers takes part by what is recorded of it, if that is complete, and cannot win.
    """
    if not space.folder.has("candidates.json"):
        met = incumbent.meet(champion, space, edge) if champion else None
        field = candidates(space, met.candidate if met else None)
        panel = final_panel(space, edge, field)
        questions = build(panel)
        if not asked_before(space, edge, questions):
            names = [candidate.name for candidate in field]
            edge.ledger.record_opening(space.case.use_case.name, sealed_sha256(space), space.folder.run, names)
        known = _stored_before(space, edge, questions)
        answers = ask(space, edge, panel, [*questions, *clock.sample(space, edge, questions)], progress)
        space.folder.write_frame("answers.parquet", answers.assign(stored=answers["request"].isin(known)))
        preferences.ask(space, edge, field, progress)
        general.ask(space, edge, field, progress)
        retired = None
        if champion and met:
            retired = _keep_standing(champion, incumbent.outlasting(met.standing, field, space, edge), space, edge)
        plain = {"candidates": [item.model_dump() for item in field], "retired": retired and retired.model_dump()}
        space.folder.write_json("candidates.json", plain)
    return field_of(space)


def _keep_standing(champion: Candidate, standing: ChampionStanding, space: Workspace, edge: Edge) -> Candidate | None:
    """Write down how the champion stood; itself where it takes part by recorded answers only."""
    if standing.state == "retired":
        text = "The champion's model %s no longer exists at the provider; best-prompt is the reference"
        log.warning(text, champion.model)
        standing = incumbent.recall(champion, standing, space, edge)
    space.folder.write_json(incumbent.STANDING, standing)
    return champion.model_copy(update={"name": "champion"}) if standing.recorded else None


def final_panel(space: Workspace, edge: Edge, field: Sequence[Candidate]) -> Panel:
    """The field on the sealed test set; some cases, chosen by hash, are asked again to see whether answers vary."""
    rows, asked = space.rows("test"), space.case.use_case.evaluation
    again = rows.sort_values("words")["id"].head(asked.repeat_cases)
    return replace(
        panel_of(space, edge, field, rows),
        repeats=asked.repeats,
        repeated=frozenset(again),
        logprobs=asked.logprobs,
    )


def _stored_before(space: Workspace, edge: Edge, questions: Sequence[Question]) -> pd.Series:
    """Requests that were answered before this run began to ask; what it asked itself is no older for a kill."""
    if not space.folder.has(STORED):
        known = edge.ledger.stored_answers(sorted({item.request for item in questions}))
        space.folder.write_frame(STORED, pd.DataFrame({"request": sorted(known)}, dtype=object))
    return space.folder.read_frame(STORED)["request"]


def asked_before(space: Workspace, edge: Edge, questions: Sequence[Question]) -> bool:
    """Whether every answer is stored since an earlier opening of this test set: reading them opens nothing."""
    requests = {question.request for question in questions}
    return was_opened(space, edge) and len(edge.ledger.stored_answers(sorted(requests))) == len(requests)


def was_opened(space: Workspace, edge: Edge) -> bool:
    """Whether any trial has scored candidates on this very test set."""
    return sealed_sha256(space) in {opening.test_sha256 for opening in edge.ledger.openings(space.case.use_case.name)}


def field_of(space: Workspace) -> list[Candidate]:
    """Who answered, the reference first."""
    plain = json.loads(space.folder.read_bytes("candidates.json"))
    return [Candidate.model_validate(item) for item in plain["candidates"]]


def retired_of(space: Workspace) -> Candidate | None:
    """The champion that no longer answers and takes part by its recorded answers."""
    plain = json.loads(space.folder.read_bytes("candidates.json")).get("retired")  # absent before they took part
    return Candidate.model_validate(plain) if plain else None


def sealed_sha256(space: Workspace) -> str:
    """Hash of the test set. Hashing opens nothing."""
    test = space.folder.read_json("counts.json", Counts).test
    assert test is not None  # noqa: S101 - the leakage step wrote it
    return test.sha256
