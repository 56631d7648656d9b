"""Who answers the search: the provider, or the ledger alone for those who only want to know how it would end."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pandas as pd

from data_contracts.money import Price
from tasks.evaluate.answer import Answer, Question, answer_all
from tasks.evaluate.questions import Panel, build
from tasks.steps.asking import Progress, Terms, answers_to, ask, price_of, scored
from tasks.workspace import Edge, Workspace


class NotStoredError(Exception):
    """An answer that nobody has paid for yet."""


class Answering(Protocol):
    """Answers to a panel, scored, and the plain answer to one question that is no row's."""

    def scored(self, panel: Panel) -> pd.DataFrame:
        """Every candidate on every row: ANSWER_COLUMNS."""

    def plain(self, question: Question, price: Price, tokens: float) -> Answer:
        """`tokens`: what the answer is reckoned with before it is there."""


@dataclass
class Bar:
    """One bar for what is asked in parts; `most` is what all of them may come to."""

    progress: Progress
    most: int = 0
    done: int = field(default=0, init=False)

    def part(self) -> Progress:
        """The progress of the next part."""
        before = self.done

        def advance(done: int, of: int) -> None:
            self.done = before + done
            self.progress(self.done, max(self.most, before + of))

        return advance

    def full(self) -> None:
        """Nothing more comes."""
        self.progress(self.done, self.done)


@dataclass(frozen=True)
class Live:
    """Asks what the ledger does not hold, and pays for it."""

    space: Workspace
    edge: Edge
    bar: Bar

    def scored(self, panel: Panel) -> pd.DataFrame:
        """Every candidate on every row: ANSWER_COLUMNS. Raises as `answer_all` does."""
        return ask(self.space, self.edge, panel, build(panel), self.bar.part())

    def plain(self, question: Question, price: Price, tokens: float) -> Answer:
        """Stored by its content like any other; it counts as money of the prompt search."""
        terms = Terms({question.candidate: price}, tokens, "prompt search")
        (answer,) = answers_to(self.space, self.edge, [question], terms, self.bar.part())
        return answer


@dataclass(frozen=True)
class Stored:
    """Asks nobody and writes nothing. Raises NotStoredError for what nobody has answered yet."""

    space: Workspace
    edge: Edge

    def scored(self, panel: Panel) -> pd.DataFrame:
        """Every candidate on every row: ANSWER_COLUMNS."""
        answers = self._answers(build(panel))
        prices = {item.name: price_of(item, self.edge) for item in panel.candidates}
        return scored(self.space, panel, answers, prices)

    def plain(self, question: Question, price: Price, tokens: float) -> Answer:
        """The answer that is there."""
        return self._answers([question])[0]

    def _answers(self, questions: Sequence[Question]) -> list[Answer]:
        wanted = {question.request for question in questions}
        if len(self.edge.ledger.stored_answers(sorted(wanted))) < len(wanted):
            raise NotStoredError
        return answer_all(questions, {}, self.edge.ledger, lambda done, of: None)
