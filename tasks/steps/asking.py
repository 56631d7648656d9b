"""Candidates are asked, and what they answer is scored: for the prompt search and for the final comparison."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from data_contracts.candidate import Candidate, Prompt
from data_contracts.money import Part, Price
from tasks.evaluate.answer import Answer, Question
from tasks.evaluate.questions import Panel, tabulate
from tasks.evaluate.score import ScorePolicy, score
from tasks.evaluate.scores import own_score
from tasks.prompting.prompt import estimated_tokens
from tasks.prompting.reasoning import most_answer_tokens
from tasks.providers.batches import Batches, batches_of
from tasks.purse import AnswerMoney, Purse, Tariff
from tasks.workspace import Edge, Workspace

Progress = Callable[[int, int], None]


def panel_of(space: Workspace, edge: Edge, field: Sequence[Candidate], rows: pd.DataFrame) -> Panel:
    """All of them on these rows, each request known by who is asked."""
    return Panel(field, rows, space.renderer, space.few_shots_of, lambda endpoint: identity_of(edge, endpoint))


def identity_of(edge: Edge, endpoint: str) -> str:
    """Who is asked there: a part of every request's hash."""
    provider = edge.at(endpoint)
    return f"{provider.name} {provider.base_url} {provider.account}"


def ask(space: Workspace, edge: Edge, panel: Panel, questions: Sequence[Question], progress: Progress) -> pd.DataFrame:
    """Scored answers; what they cost is on record as they come, and no cap is passed."""
    prices = {item.name: price_of(item, edge) for item in panel.candidates}
    part: Part = "final answers" if space.folder.has("prompt_search.json") else "prompt search"
    plain = answer_tokens(panel)
    thinking = {item.name: most_answer_tokens(item.prompt, plain) for item in panel.candidates if item.prompt.reasoning}
    tunes = [item.name for item in panel.candidates if item.kind == "tune"]
    answers = answers_to(space, edge, questions, Terms(prices, plain, part, thinking, tunes), progress)
    return scored(space, panel, answers, prices)


@dataclass(frozen=True)
class Terms:
    """What answers cost: prices by candidate, the tokens that one is expected to have, and what it is for.

    `longer`: tokens by candidate, of those whose answers think first. `tunes`: which candidates are tuned models.
    """

    prices: Mapping[str, Price]
    tokens: float
    part: Part = "final answers"
    longer: Mapping[str, float] = field(default_factory=dict)
    tunes: Collection[str] = ()


def answers_to(
    space: Workspace, edge: Edge, questions: Sequence[Question], terms: Terms, progress: Progress
) -> list[Answer]:
    """Answers to any questions in their order, paid for out of the run's budget: one by one, or by the batch."""
    asked = len({item.request for item in questions})
    found: dict[int, Answer] = {}
    for batches, positions in _ways(space, edge, questions, terms):
        own, before = [questions[position] for position in positions], len({item.request for item in found.values()})
        money = AnswerMoney(_purse(space, edge), terms.part, _tariff(own, terms, batches))
        answers = _ask(edge, own, batches, money, _after(before, asked, progress))
        found.update(zip(positions, answers, strict=True))
    return [found[position] for position in range(len(questions))]


def _after(before: int, of: int, progress: Progress) -> Progress:
    """Progress of a part, where so many were done before it."""
    return lambda done, _: progress(before + done, of)


Way = tuple[Batches | None, list[int]]  # None: one by one; and the positions of the questions


def _ways(space: Workspace, edge: Edge, questions: Sequence[Question], terms: Terms) -> list[Way]:
    """How each question is asked: by the batch where its endpoint is to, unless that takes no tune."""
    names = {item.endpoint for item in questions}
    batched = {name: batches_of(edge.at(name)) for name in names if space.case.use_case.provider_at(name).batch}
    ways: dict[str | None, list[int]] = {None: []}
    for position, item in enumerate(questions):
        batches = batched.get(item.endpoint)
        by_batch = batches is not None and (batches.takes_tunes or item.candidate not in terms.tunes)
        ways.setdefault(item.endpoint if by_batch else None, []).append(position)
    return [(None if name is None else batched[name], positions) for name, positions in ways.items()]


def _ask(
    edge: Edge, questions: Sequence[Question], batches: Batches | None, money: AnswerMoney, progress: Progress
) -> list[Answer]:
    from tasks.evaluate.answer import answer_all
    from tasks.evaluate.batch import answer_in_batches

    if batches is not None:
        return answer_in_batches(questions, batches, edge.ledger, progress, money)
    endpoints = {name: edge.at(name).answer_endpoint() for name in {item.endpoint for item in questions}}
    return answer_all(questions, endpoints, edge.ledger, progress, money)


def _purse(space: Workspace, edge: Edge) -> Purse:
    case = space.case.use_case
    return Purse(edge.ledger, case.name, space.folder.run, case.budget)


def _tariff(questions: Sequence[Question], terms: Terms, batches: Batches | None) -> Tariff:
    prices = {name: batches.price(price) if batches else price for name, price in terms.prices.items()}
    longer = {item.request: terms.longer[item.candidate] for item in questions if item.candidate in terms.longer}
    return Tariff({item.request: prices[item.candidate] for item in questions}, terms.tokens, longer)


def scored(space: Workspace, panel: Panel, answers: Sequence[Answer], prices: Mapping[str, Price]) -> pd.DataFrame:
    """Answers to a panel's questions as ANSWER_COLUMNS, scored as the use case says."""
    rows = panel.rows
    policy = scoring(space, dict(zip(rows["id"], rows["input"], strict=True)))
    return score(tabulate(panel, answers, prices), space.case.use_case.kind, space.case.contract, policy)


def scoring(space: Workspace, inputs: Mapping[str, str]) -> ScorePolicy:
    """What an answer is scored by; `inputs` by case, for a function of the user's own."""
    case = space.case.use_case
    named = case.evaluation.scorer
    scorer = own_score.load(named, space.case.folder) if named else None
    return ScorePolicy(case.metric, scorer, inputs if scorer else {})


def examples_of(space: Workspace, prompt: Prompt) -> str:
    """Hash of the rows that its examples come from; empty without any."""
    return space.examples if prompt.few_shot.count else ""


def price_of(candidate: Candidate, edge: Edge) -> Price:
    """What its answers cost. A tune's name need not tell its base model: that is asked for where it is known."""
    return edge.at(candidate.endpoint).price(candidate.base_model or candidate.model, candidate.kind == "tune")


def paid_price(candidate: Candidate, space: Workspace, edge: Edge) -> Price:
    """The same, as the trial pays it: a batch costs less than what production will pay."""
    live = price_of(candidate, edge)
    if not space.case.use_case.provider_at(candidate.endpoint).batch:
        return live
    batches = batches_of(edge.at(candidate.endpoint))
    return batches.price(live) if batches.takes_tunes or candidate.kind != "tune" else live


def answer_tokens(panel: Panel) -> float:
    """Tokens that an answer is expected to have: those of the right ones, in the mean."""
    outputs: Sequence[str] = panel.rows["output"].tolist()
    return estimated_tokens([{"content": text} for text in outputs]) / max(1, len(outputs))
