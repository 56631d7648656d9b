"""The best prompt, found on validation rows before the test set is opened."""

from dataclasses import dataclass, replace

import pandas as pd

from data_contracts.candidate import Candidate, Prompt
from data_contracts.contest import PromptScore, PromptSearch
from tasks.evaluate.questions import Panel
from tasks.evaluate.search import (
    effort_told,
    layers_of,
    refuse_broken,
    schedule,
    scores,
    search_metric,
    survivors,
    unequal_decoding,
)
from tasks.prompting.few_shot import FewShots, OtherFolds
from tasks.prompting.grid import expand
from tasks.steps.answering import Answering, Bar, Live, NotStoredError, Stored
from tasks.steps.asking import Progress, examples_of, panel_of
from tasks.steps.optimise import optimised, require_optimiser
from tasks.steps.search_cost import affordable, optimiser_batches
from tasks.workspace import Edge, Workspace

OPTIMISED = "optimised_prompts.json"


def prompts_of(space: Workspace) -> dict[str, Prompt]:
    """The prompts of the folder and what the grid makes of them, by name."""
    return expand(space.prompts, space.case)


def variants(space: Workspace) -> list[Candidate]:
    """Every prompt on every base model. The minimal prompt is the tune's, and takes part like any other."""
    return [
        Candidate(
            name="/".join(filter(None, (at.endpoint, at.model, name))),
            kind="prompt",
            model=at.model,
            base_model=at.model,
            endpoint=at.endpoint,
            prompt=prompt,
            examples=examples_of(space, prompt),
        )
        for at in space.case.use_case.prompts.models
        for name, prompt in prompts_of(space).items()
    ]


def search_panel(space: Workspace, edge: Edge) -> Panel:
    """The variants on validation rows, at most `prompts.search_rows` of them and no more than `search_budget` buys.

    With `prompts.folds` on train and validation rows, each shown examples of the other folds only. The same rows for
    each; with `prompts.rounds` only those that reach the last one answer all of them. What an optimiser asks besides is
    in `optimiser_batches`.
    """
    return _planned(space, edge)[0]


def search(space: Workspace, edge: Edge, progress: Progress) -> PromptSearch:
    """The best prompt, by the deciding metric on validation rows, or in folds. The test set stays closed."""
    if not space.folder.has("prompt_search.json"):
        bar = Bar(progress, _most_answers(space, edge))
        found = _find(space, edge, Live(space, edge, bar))
        bar.full()
        space.folder.write_frame("validation_answers.parquet", found.answers)
        if space.case.use_case.prompts.optimiser:  # written nothing, too: an earlier process may have written more
            space.folder.write_json(OPTIMISED, {item.name: item.prompt.model_dump() for item in found.written})
        refuse_broken(found.search.tried)
        space.folder.write_json("prompt_search.json", found.search)
    return space.folder.read_json("prompt_search.json", PromptSearch)


def replay(space: Workspace, edge: Edge) -> Candidate | None:
    """The best prompt as the search will find it, if every answer that it needs is stored; else None. Asks nobody."""
    try:
        found = _find(space, edge, Stored(space, edge)).search
    except NotStoredError:
        return None
    refuse_broken(found.tried)
    return found.best


@dataclass(frozen=True)
class _Found:
    search: PromptSearch
    answers: pd.DataFrame
    written: list[Candidate]


def _find(space: Workspace, edge: Edge, answering: Answering) -> _Found:
    """Round by round, then what an optimiser writes, on all rows."""
    case = space.case.use_case
    panel, notes = _planned(space, edge)
    ranked, dropped, answers = _in_rounds(space, panel, answering)
    more = optimised(space, edge, panel, ranked + dropped, answering)
    if more.candidates:
        answers = pd.concat([answers, answering.scored(replace(panel, candidates=more.candidates))], ignore_index=True)
        finalists = [*(item.candidate for item in ranked), *more.candidates]
        ranked = _ranked(space, replace(panel, candidates=finalists), answers, ranked[0].round)
    tried = ranked + dropped
    notes += [effort_told(tried), *more.notes, *unequal_decoding([item.candidate for item in tried])]
    if search_metric(case) != case.metric:
        notes.append(f"Prompts were ranked by {search_metric(case)}: the judge reads the final answers only.")
    search = PromptSearch(
        metric=search_metric(case), tried=tried, folds=case.prompts.folds, optimiser=more.told, notes=notes
    )
    return _Found(search, answers, more.candidates)


def _in_rounds(
    space: Workspace, panel: Panel, answering: Answering
) -> tuple[list[PromptScore], list[PromptScore], pd.DataFrame]:
    """Who came to the last round, best first; who did not, those who came farther first; and all answers."""
    counts = schedule(len(panel.rows), space.case.use_case.prompts.rounds)
    field, frames, dropped = [*panel.candidates], [], list[PromptScore]()
    ranked: list[PromptScore] = []
    for number, (asked, count) in enumerate(zip([0, *counts], counts, strict=False), start=1):
        if ranked:
            field = survivors(ranked)
            dropped = [item for item in ranked if item.candidate not in field] + dropped
        frames.append(answering.scored(replace(panel, candidates=field, rows=panel.rows.iloc[asked:count])))
        ranked = _ranked(space, replace(panel, candidates=field), pd.concat(frames), number)
    return ranked, dropped, pd.concat(frames, ignore_index=True)


def _ranked(space: Workspace, panel: Panel, answers: pd.DataFrame, number: int) -> list[PromptScore]:
    """The candidates of the panel on every row that they answered."""
    case, names = space.case.use_case, {item.name for item in panel.candidates}
    own = answers[answers["candidate"].isin(names)]
    found = scores(own, panel.candidates, search_metric(case), case.kind, layers_of(panel))
    return [item.model_copy(update={"round": number}) for item in found]


def _planned(space: Workspace, edge: Edge) -> tuple[Panel, list[str]]:
    """What may be asked at most, and why that is less than was wished for."""
    whole = _whole(space, edge)
    require_optimiser(space, prompts_of(space), len(whole.rows))
    room, wanted = affordable(space, edge, whole), space.case.use_case.prompts.rounds
    rounds = len(schedule(room.rows, wanted))
    few = [f"{room.rows} rows are enough for {rounds} of {wanted} rounds."] if rounds < wanted else []
    return replace(whole, rows=whole.rows.head(room.rows)), [*room.notes, *few]


def _whole(space: Workspace, edge: Edge) -> Panel:
    prompts = space.case.use_case.prompts
    if prompts.folds:
        rows, examples = _in_folds(space, prompts.folds)
        return replace(panel_of(space, edge, variants(space), rows), few_shots=lambda candidate: examples)
    rows = space.rows("validation").sort_values("words").head(prompts.search_rows)  # by hash: no order of the source
    return panel_of(space, edge, variants(space), rows)


def _in_folds(space: Workspace, count: int) -> tuple[pd.DataFrame, FewShots]:
    """Train and validation rows by hash, and examples for each of them from the other folds."""
    from tasks.partition.folds import folds

    rows = pd.concat([space.rows("train"), space.rows("validation")], ignore_index=True)
    positions = pd.concat([space.partitions.train["position"], space.partitions.validation["position"]])
    near = space.folder.read_frame("near.parquet")
    found = folds(space.keys, near, count, space.case.use_case.split.seed)[positions]
    order = rows["words"].argsort(kind="stable")
    return rows.iloc[order].reset_index(drop=True), OtherFolds(rows, found)


def _most_answers(space: Workspace, edge: Edge) -> int:
    """Requests for the bar to end at, where they are asked in parts; 0 where the only part says it itself."""
    prompts = space.case.use_case.prompts
    if prompts.rounds == 1 and prompts.optimiser is None:
        return 0
    panel = search_panel(space, edge)
    written = sum(requests.count for _, requests in optimiser_batches(space, edge, panel))
    return len(panel.candidates) * len(panel.rows) + written
