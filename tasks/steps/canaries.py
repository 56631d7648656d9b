"""The champion is asked a few validation rows at each watch, to see whether it still answers as it did.

Nothing of it comes from the answer store or goes there: a fresh answer each time, of which only hashes are kept.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from data_contracts.candidate import Candidate
from data_contracts.money import Price
from data_contracts.use_case import UseCase
from tasks.errors import TunegateError
from tasks.evaluate.answer import Question
from tasks.evaluate.engine.exchange import Line
from tasks.evaluate.engine.reply import Reply
from tasks.evaluate.questions import Panel, build
from tasks.ledger import Ledger
from tasks.providers.failure import Failure
from tasks.providers.protocol import AnswerEndpoint, Provider
from tasks.purse import Purse, Tariff
from tasks.steps.asking import answer_tokens, identity_of
from tasks.watch.canaries import Baseline, Change, Said, compare, open_questions, said, tells
from tasks.workspace import STAMP, Edge, Workspace

ROWS = "validation"  # never test: an answer there would be an opening
KIND: Final = "watch"
UNCHANGED = Change()
TOO_FEW = "too few are answered the same each time to see a silent change: raise `watch.canaries`"
Heard = Mapping[str, Reply | Failure]  # by request


@dataclass(frozen=True)
class Checked:
    """What came of the canaries. `problem`: why there is nothing to compare; `gone`: the model is not found."""

    baseline: Baseline
    change: Change = UNCHANGED
    model: str = ""
    fingerprint: str = ""
    gone: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Subject:
    """Who is asked: a champion at its provider, with the rows and the prompt of the run that registered it."""

    case: UseCase  # as its file is now: how many canaries, and the budget
    candidate: Candidate
    provider: Provider
    space: Workspace


def check(subject: Subject, ledger: Ledger, before: Baseline) -> Checked:
    """Ask, pay and compare. What goes wrong is a problem that is told, and never ends a watch."""
    try:
        questions, tariff = _asked(subject, ledger)
        if not questions:
            return Checked(before, problem=f"{ROWS} has no rows to ask it")
        paid = _Paid(subject.case, ledger, tariff)
        first = paid.ask(subject.provider, questions)
        heard = _said(first)
        if not heard:
            failures = [one for one in first.values() if isinstance(one, Failure)]
            gone = all(one.status == 404 for one in failures)
            return Checked(before, gone=gone, problem=f"no canary was answered ({failures[0]})")
        again = set(open_questions(before, heard))
        twice = _said(paid.ask(subject.provider, [one for one in questions if one.request in again]))
    except TunegateError as error:
        return Checked(before, problem=str(error))
    learnt, change = compare(
        before, {key: one for key, one in heard.items() if key in twice or key not in again}, twice
    )
    any_of, problem = next(iter(heard.values())), "" if tells(learnt, [*heard]) else TOO_FEW
    return Checked(learnt, change, any_of.model, any_of.fingerprint, problem=problem)


def _asked(subject: Subject, ledger: Ledger) -> tuple[list[Question], Tariff]:
    """The same rows each time, chosen by hash, in the champion's own prompt; and what an answer costs."""
    space, candidate, provider = subject.space, subject.candidate, subject.provider
    rows = space.rows(ROWS).sort_values("words").head(subject.case.watch.canaries)
    price = provider.price(candidate.base_model or candidate.model, candidate.kind == "tune")
    if price.input is None or price.output is None:
        raise UnknownPriceError(candidate.model)
    edge = Edge(provider, ledger, {candidate.endpoint: provider} if candidate.endpoint else {})
    panel = Panel([candidate], rows, space.renderer, space.few_shots_of, lambda at: identity_of(edge, at))
    questions = build(panel) if len(rows) else []
    return questions, Tariff(dict.fromkeys((one.request for one in questions), price), answer_tokens(panel))


class UnknownPriceError(TunegateError):
    """What canaries cost cannot be held to a budget."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.model = model

    def __str__(self) -> str:
        return f"what {self.model} charges is unknown: name it under `provider.prices`, or set `watch.canaries: 0`"


class _Paid:
    """Questions that are paid for out of the month's budget of their use case, in a run of their own."""

    def __init__(self, case: UseCase, ledger: Ledger, tariff: Tariff) -> None:
        stamp = datetime.fromtimestamp(ledger.clock.now(), UTC).strftime(STAMP)
        self._purse = Purse(ledger, case.name, f"{stamp}-{case.name}-{KIND}", case.budget)
        self._tariff, self._asked = tariff, 0

    def ask(self, provider: Provider, questions: Sequence[Question]) -> Heard:
        """What came of each question. Its cost is set aside before; raises BudgetError where a cap has no room."""
        if not questions:
            return {}
        self._asked += 1
        key = f"{self._purse.run} {self._asked}"
        expected = sum(self._tariff.expected(one.request, len(one.body)) for one in questions)
        self._purse.set_aside(key, KIND, expected)
        heard = asyncio.run(_ask(provider.answer_endpoint(), questions))
        costs = [_cost(self._tariff.prices[request], one) for request, one in heard.items() if isinstance(one, Reply)]
        self._purse.ledger.settle_spend(key, sum(costs))
        return heard


async def _ask(endpoint: AnswerEndpoint, questions: Sequence[Question]) -> Heard:
    room = asyncio.Semaphore(endpoint.max_concurrency)
    async with Line(replace(endpoint, stream=False)) as line:

        async def one(question: Question) -> Any:  # noqa: ANN401 - gather's own type
            async with room:
                return (await line.ask(question.body)).result

        results = await asyncio.gather(*map(one, questions))
    return {question.request: result for question, result in zip(questions, results, strict=True)}


def _said(heard: Heard) -> dict[str, Said]:
    """Answers without their texts; what failed is not compared."""
    return {
        request: said(request, one.output, one.model, one.fingerprint)
        for request, one in heard.items()
        if isinstance(one, Reply)
    }


def _cost(price: Price, reply: Reply) -> float:
    return (reply.prompt_tokens * (price.input or 0.0) + reply.completion_tokens * (price.output or 0.0)) / 1e6
