"""Who may answer, what they answered, and who won."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from data_contracts.candidate import Candidate, Prompt
from data_contracts.contest import Comparison, PromptSearch, Verdict
from data_contracts.money import FineTuned, Part, Price
from data_contracts.records import Counts
from tasks.decide.economics import payback
from tasks.decide.verdict import Standing, decide
from tasks.evaluate.answer import Question
from tasks.evaluate.compare import ComparisonPolicy, compare
from tasks.evaluate.questions import Panel, build, tabulate
from tasks.evaluate.score import score
from tasks.evaluate.search import rank
from tasks.finetune.wait import await_servable
from tasks.prompting.few_shot import FewShots, OtherFolds
from tasks.prompting.prompt import estimated_tokens
from tasks.purse import AnswerMoney, Purse, Tariff
from tasks.workspace import Edge, Workspace

Progress = Callable[[int, int], None]
log = logging.getLogger("tunegate.contest")


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
            examples=_examples(space, prompt),
        )
        for at in space.case.use_case.prompts.models
        for name, prompt in space.prompts.items()
    ]


def _examples(space: Workspace, prompt: Prompt) -> str:
    return space.examples if prompt.few_shot.count else ""


def search_panel(space: Workspace, edge: Edge) -> Panel:
    """The variants on validation rows, at most `prompts.search_rows` of them: the same ones for each.

    With `prompts.folds` on all train and validation rows, each shown examples of the other folds only.
    """
    prompts = space.case.use_case.prompts
    if prompts.folds:
        rows, examples = _in_folds(space, prompts.folds)
        return replace(_panel(space, edge, variants(space), rows), few_shots=lambda candidate: examples)
    rows = space.rows("validation").sort_values("words").head(prompts.search_rows)  # by hash: no order of the source
    return _panel(space, edge, variants(space), rows)


def _in_folds(space: Workspace, count: int) -> tuple[pd.DataFrame, FewShots]:
    """Train and validation rows, and examples for each of them from the other folds."""
    from tasks.partition.folds import folds

    rows = pd.concat([space.rows("train"), space.rows("validation")], ignore_index=True)
    positions = pd.concat([space.partitions.train["position"], space.partitions.validation["position"]])
    near = space.folder.read_frame("near.parquet")
    return rows, OtherFolds(rows, folds(space.keys, near, count, space.case.use_case.split.seed)[positions])


def search(space: Workspace, edge: Edge, progress: Progress) -> PromptSearch:
    """The best prompt, by the deciding metric on validation rows, or in folds. The test set stays closed."""
    if not space.folder.has("prompt_search.json"):
        panel = search_panel(space, edge)
        answers = _ask(space, edge, panel, build(panel), progress)
        space.folder.write_frame("validation_answers.parquet", answers)
        case = space.case.use_case
        ranked = rank(answers, panel.candidates, case.metric, case.kind)
        space.folder.write_json("prompt_search.json", ranked.model_copy(update={"folds": case.prompts.folds}))
    return space.folder.read_json("prompt_search.json", PromptSearch)


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
                examples=_examples(space, prompt),
            )
            for name, prompt in (("tune-minimal", minimal), ("tune-full", best.prompt))
        ]
    first = {candidate.digest: candidate for candidate in reversed(field)}
    return [candidate for candidate in field if first[candidate.digest] is candidate]


def evaluate(space: Workspace, edge: Edge, champion: Candidate | None, progress: Progress) -> Sequence[Candidate]:
    """All candidates answer the sealed test set, interleaved; the opening is on record before the first answer."""
    if not space.folder.has("candidates.json"):
        field = candidates(space, _standing(champion, space, edge) if champion else None)
        panel = _panel(space, edge, field, space.rows("test"))
        questions = build(panel)
        if not _asked_before(space, edge, questions):
            names = [candidate.name for candidate in field]
            edge.ledger.record_opening(space.case.use_case.name, _sealed(space), space.folder.run, names)
        answers = _ask(space, edge, panel, questions, progress)
        space.folder.write_frame("answers.parquet", answers)
        space.folder.write_json("candidates.json", {"candidates": [item.model_dump() for item in field]})
    return _field(space)


def _asked_before(space: Workspace, edge: Edge, questions: Sequence[Question]) -> bool:
    """Whether every answer is stored since an earlier opening of this test set: reading them opens nothing."""
    requests = {question.request for question in questions}
    return was_opened(space, edge) and len(edge.ledger.stored_answers(sorted(requests))) == len(requests)


def was_opened(space: Workspace, edge: Edge) -> bool:
    """Whether any trial has scored candidates on this very test set."""
    return _sealed(space) in {opening.test_sha256 for opening in edge.ledger.openings(space.case.use_case.name)}


def _standing(champion: Candidate, space: Workspace, edge: Edge) -> Candidate | None:
    """The champion, if its model is still there. A deployed tune stands in no listing: it is deployed again if need be.

    Raises ProviderRefusedError or ProviderUnavailableError where that fails: no champion falls without a contest.
    """
    if champion.tuned_model and edge.provider.capabilities.deploys:
        if edge.provider.has_model(champion.tuned_model):
            serving = await_servable(champion.tuned_model, edge.provider, edge.ledger.clock)
            return champion.model_copy(update={"model": serving.model})
    elif _is_listed(champion, space, edge):
        return champion
    text = "The champion's model %s no longer exists at the provider; best-prompt is the reference"
    log.warning(text, champion.model)
    return None


def _is_listed(champion: Candidate, space: Workspace, edge: Edge) -> bool:
    """Whether its endpoint lists it, or lists nothing. A listed dated model vouches for its undated name."""
    if champion.endpoint and champion.endpoint not in space.case.use_case.endpoints:
        return False
    listed = [model.id for model in edge.at(champion.endpoint).models()]
    return not listed or any(id_ == champion.model or id_.startswith(f"{champion.model}-") for id_ in listed)


def judge(space: Workspace) -> tuple[Verdict, Comparison]:
    """Compare, decide, and keep both."""
    if not space.folder.has("verdict.json"):
        case = space.case.use_case
        field = _field(space)
        policy = ComparisonPolicy(
            metric=case.metric,
            kind=case.kind,
            reference="champion" if field[0].name == "champion" else "best-prompt",
            test_sha256=_sealed(space),
            alpha=case.gates.alpha,
            slices={row.id: json.loads(row.slices) for row in space.rows("test", ("id", "slices")).itertuples()},
        )
        comparison = compare(space.folder.read_frame("answers.parquet"), field, policy)
        space.folder.write_json("comparison.json", comparison)
        space.folder.write_json("verdict.json", _decide(space, comparison))
    return space.folder.read_json("verdict.json", Verdict), space.folder.read_json("comparison.json", Comparison)


def _decide(space: Workspace, comparison: Comparison) -> Verdict:
    case = space.case.use_case
    scores = {item.candidate.name: item for item in comparison.candidates}
    prompt = scores.get("best-prompt") or scores["champion"]
    tuned = space.folder.read_json("tuned.json", FineTuned) if space.folder.has("tuned.json") else None
    worth = {
        name: payback(item, prompt, tuned.training_cost if tuned else None, case.economics)
        for name, item in scores.items()
        if item.candidate.kind == "tune"
    }
    champion = scores["champion"].candidate if "champion" in scores else None
    return decide(comparison, Standing(champion, prompt.candidate, worth, case.economics.horizon_months), case.gates)


def _field(space: Workspace) -> list[Candidate]:
    plain = json.loads(space.folder.read_bytes("candidates.json"))
    return [Candidate.model_validate(item) for item in plain["candidates"]]


def _sealed(space: Workspace) -> str:
    """Hash of the test set. Hashing opens nothing."""
    test = space.folder.read_json("counts.json", Counts).test
    assert test is not None  # noqa: S101 - the leakage step wrote it
    return test.sha256


def _panel(space: Workspace, edge: Edge, field: Sequence[Candidate], rows: pd.DataFrame) -> Panel:
    def identity(endpoint: str) -> str:
        provider = edge.at(endpoint)
        return f"{provider.name} {provider.base_url} {provider.account}"

    return Panel(field, rows, space.renderer, space.few_shots_of, identity)


def _ask(space: Workspace, edge: Edge, panel: Panel, questions: Sequence[Question], progress: Progress) -> pd.DataFrame:
    """Scored answers; what they cost is on record as they come, and no cap is passed."""
    from tasks.evaluate.answer import answer_all

    case = space.case.use_case
    endpoints = {name: edge.at(name).answer_endpoint() for name in {item.endpoint for item in panel.candidates}}
    prices = {item.name: price_of(item, edge) for item in panel.candidates}
    part: Part = "final answers" if space.folder.has("prompt_search.json") else "prompt search"
    tariff = Tariff({item.request: prices[item.candidate] for item in questions}, answer_tokens(panel))
    money = AnswerMoney(Purse(edge.ledger, case.name, space.folder.run, case.budget), part, tariff)
    answers = answer_all(questions, endpoints, edge.ledger, progress, money)
    return score(tabulate(panel, answers, prices), case.kind, space.case.contract)


def price_of(candidate: Candidate, edge: Edge) -> Price:
    """What its answers cost. A tune's name need not tell its base model: that is asked for where it is known."""
    return edge.at(candidate.endpoint).price(candidate.base_model or candidate.model, candidate.kind == "tune")


def answer_tokens(panel: Panel) -> float:
    """Tokens that an answer is expected to have: those of the right ones, in the mean."""
    outputs: Sequence[str] = panel.rows["output"].tolist()
    return estimated_tokens([{"content": text} for text in outputs]) / max(1, len(outputs))
